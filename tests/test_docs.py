"""The site: it is built without a warning, its links lead somewhere, its reference is that of the files."""

import logging
import sys

import pytest
import yaml
from tiny import ROOT

BOOK = ROOT / "scripts" / "book"
CONFIGS = ROOT / "configs"


@pytest.fixture(scope="module", autouse=True)
def book():
    """The site's own modules, for this file alone."""
    sys.path.insert(0, str(BOOK))
    yield
    sys.path.remove(str(BOOK))
    for name in ("api", "commands", "committed", "configs", "links", "product", "results"):
        sys.modules.pop(name, None)


def leaves(node, prefix=""):
    """Return the dotted paths of a plain configuration, by another way than the site's."""
    for key, value in node.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_the_reference_has_every_value_and_comment_of_a_file(path):
    import configs

    about, lines = configs.read(path)
    found = {line.path: line for line in lines}
    plain = dict(leaves(yaml.safe_load(path.read_text())))
    assert set(found) <= set(plain)
    for key, value in plain.items():
        parent = next((found[p] for p in _upwards(key) if p in found), None)
        assert parent is not None, key
        if key in found and not isinstance(value, dict | list) and "\n" not in str(value):
            shown = found[key].value
            assert shown == str(value).strip() or yaml.safe_load(shown) == value, key
        elif key not in found:  # inside of braces
            assert key.rsplit(".", 1)[-1] in parent.value
    said = " ".join([about, *(line.comment for line in lines)])
    for row in path.read_text().splitlines():
        if row.startswith("#") or " # " in row:
            comment = row.split("# ", 1)[1].strip()
            assert "@package" in row or comment in said, comment


def _upwards(key):
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def test_the_reference_is_complete():
    import configs

    pages = configs.pages()
    for path in CONFIGS.rglob("*.yaml"):
        group = path.parent.relative_to(CONFIGS).as_posix()
        page = pages[f"reference/config/{'top' if group == '.' else group.replace('/', '-')}.md"]
        assert f"{{#{path.stem}}}" in page and f"#{path.stem})" in pages["reference/config.md"]


def test_a_number_whose_result_is_gone_stops_the_build():
    import committed

    assert committed.resolve("table|overnight/residual_models|RDN|truth/psnr|both") == "41.23 ± 0.14"
    assert (
        committed.resolve("table|overnight/content_loss_rdn|MSE + content of the reconstruction|truth/psnr|diff-low")
        == "−0.77"
    )
    for key in (
        "table|overnight/residual_models|RDNN|truth/psnr",
        "table|overnight/residual_models|RDN|truth/psn",
        "table|overnight/residual_models|Equivariant FSRCNN, mended|truth/psnr",
        "table|overnight/bilinear|published|truth/psnr|published",
        "table|overnight/nothing|RDN|truth/psnr",
        "config|dataset/model1|source.nothing",
        "said|README.md|there is no ([0-9]+) like this",
        "json|quick/box_euclid_vis_x2.json|nothing",
        "guess|1",
    ):
        with pytest.raises(committed.Missing):
            committed.filled(f"It has {{{{ {key} }}}} dB.")


def test_links_that_lead_nowhere_are_found(tmp_path):
    import links

    (tmp_path / "a.html").write_text('<a href="b.html#x">b</a><a href="a.html#y">a</a><h1 id="y"></h1>')
    (tmp_path / "b.html").write_text('<h1 id="x"></h1><a href="https://example.org/">away</a>')
    assert links.broken(tmp_path) == []
    (tmp_path / "b.html").write_text(
        '<h1 id="z"></h1><script src="https://example.org/x.js"></script><img src="c.png">'
    )
    assert links.broken(tmp_path) == ["a.html: b.html#x", "b.html loads https://example.org/x.js", "b.html: c.png"]


def test_every_command_is_in_the_reference():
    import commands

    from lenssr.commands.main import COMMANDS

    page = commands.page()
    assert all(f"## {name}\n" in page for name in COMMANDS)
    assert "usage: lenssr-upscale" in page and "--catalogue" in page and "sweep=residual_models" in page


def test_the_product_page_has_every_extension_and_keyword():
    import product

    page = (ROOT / "docs/reference/product.md").read_text().replace("{{ keywords }}", product.keywords())
    code = (ROOT / "lenssr/inference/product.py").read_text()
    import re

    for keyword in re.findall(r'"(SR[A-Z0-9]+)"|header\["(SR\w+)"\]', code):
        assert f"`{''.join(keyword)}`" in page
    for extension in re.findall(r'(?:yield|\(\[?)\s?"([A-Z]{3,})"', code):
        assert f"`{extension}`" in page


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("tutorials/own_model.md", "One Python file and one YAML file"),
        ("how/scores.md", "`truth/psnr`"),
        ("how/identity.md", "Why a run is found finished"),
        ("cite.md", "@software{lenssr"),
    ],
)
def test_what_people_ask_is_one_click_away(page, words):
    assert f"({page})" in (ROOT / "docs/index.md").read_text()
    assert words in (ROOT / "docs" / page).read_text()


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path, caplog, monkeypatch):
    """Every page, strictly; its hooks follow every link of what was built."""
    pytest.importorskip("mkdocs", reason="the site needs pip install 'lenssr[docs]'")
    pytest.importorskip("mkdocstrings", reason="the site needs pip install 'lenssr[docs]'")
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    monkeypatch.chdir(ROOT)
    with caplog.at_level(logging.WARNING):
        build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(tmp_path)))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING and "mkdocs" in record.name]
    index = (tmp_path / "search" / "search_index.js").read_text()
    for words in ("truth/psnr", "found finished", "bibtex", "Your own model"):
        assert words.lower() in index.lower(), words
    assert "41.23 ± 0.14" in (tmp_path / "how" / "tables.html").read_text()
    assert "<math" in (tmp_path / "how" / "scores.html").read_text()
