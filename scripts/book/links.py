"""Links of a built site: every file and every place in it must be there, and nothing be loaded from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value for key, value in attrs if value}
        self.places |= {found[key] for key in ("id", "name") if key in found}
        if "src" in found or (tag == "link" and "href" in found):
            self.loaded.append(found.get("src") or found["href"])
        elif "href" in found:
            self.links.append(found["href"])


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken(site: Path) -> list[str]:
    """Return a line for every link of a site that leads nowhere, and for everything that a page loads from elsewhere.

    Args:
        site: folder of the built pages.
    """
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    wrong = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            name = path.relative_to(site.resolve())
            if parts.scheme in ("http", "https") or parts.netloc:
                if link in page.loaded:
                    wrong.append(f"{name} loads {link}")
                continue
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in {*pages[target].places, "top"}
            ):
                wrong.append(f"{name}: {link}")
    return wrong
