"""What MkDocs asks of this project: generated pages, numbers in texts, formulas as MathML, links checked."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import api
import commands
import links
import product
import results
from committed import ROOT, filled
from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

import configs

PDF = ROOT / "outputs" / "article" / "lenssr.pdf"
_MATH = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.S)
_ROLE = re.compile(r":(?:class|func|meth|mod):<code>~?([\w.]+)</code>")


def on_files(files: Files, config: Any) -> Files:
    """Add what is made of configs, commands, docstrings and results."""
    made = {**configs.pages(), **api.pages(), **results.pages(), "reference/commands.md": commands.page()}
    if PDF.is_file():
        made["lenssr.pdf"] = PDF.read_bytes()
    for place, content in made.items():
        files.append(File.generated(config, place, content=content))
    _contents(config.nav, sorted(place for place in made if place.endswith(".md")))
    return files


def _contents(nav: list[Any], places: list[str]) -> None:
    """Put generated pages below the page that stands for them in the contents."""
    below = {
        "reference/config.md": "reference/config/",
        "reference/api.md": "reference/api/",
        "results/index.md": "results/",
    }
    for entry in nav:
        for title, inside in list(entry.items()) if isinstance(entry, dict) else []:
            if isinstance(inside, list):
                _contents(inside, places)
            elif inside in below:
                found = [place for place in places if place.startswith(below[inside]) and place != inside]
                entry[title] = [inside, *_by_size(found)]


def _by_size(places: list[str]) -> list[Any]:
    """Return pages, those of a size in a section of their own."""
    sizes = sorted({parts[1] for place in places if len(parts := place.split("/")) == 3 and parts[0] == "results"})
    sections = [{f"scale={size}": [p for p in places if p.startswith(f"results/{size}/")]} for size in sizes]
    return [*sections, *(p for p in places if not any(p.startswith(f"results/{size}/") for size in sizes))]


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Put committed numbers, and lists that the code holds, into a text."""
    article = "[lenssr.pdf](lenssr.pdf)" if PDF.is_file() else "`outputs/article/lenssr.pdf`"
    return filled(markdown).replace("{{ keywords }}", product.keywords()).replace("{{ article }}", article)


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Set formulas, and make links of what docstrings name."""

    def formula(found: re.Match[str]) -> str:
        shown = "inline" if found["tag"] == "span" else "block"
        return convert(html.unescape(found["tex"]).strip(), display=shown)

    content = _MATH.sub(formula, content)
    if 'class="arithmatex"' in content:
        raise PluginError(f"{page.file.src_uri}: a formula was not set.")
    return _ROLE.sub(r'<autoref optional identifier="\1"><code>\1</code></autoref>', content)


def _local(output: str, url: str) -> str:
    """Return a page whose script for reading from the disk is ours, not fetched."""
    return output.replace("https://unpkg.com/iframe-worker/shim", get_relative_url("assets/worker.js", url))


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Load nothing from elsewhere."""
    return _local(output, page.url)


def on_post_template(output: str, template_name: str, config: Any) -> str:
    """Load nothing from elsewhere, in the page of what is not found either."""
    return _local(output, template_name)


def on_post_build(config: Any) -> None:
    """Follow every internal link of what was built."""
    wrong = links.broken(Path(config.site_dir))
    if wrong:
        raise PluginError("Links that lead nowhere:\n" + "\n".join(wrong))
