"""Many products at a glance: a table of all, and pages of small pictures that open quickly."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenssr.system.files import read_json, whole_file, write_text
from lenssr.system.progress import track

__all__ = ["write_index", "write_summary"]

_PREVIEW, _COLUMNS, _PAGE = 96, 2, 400  # pixels of a small picture; input and image; images of a page
_FACTS = ("chi2", "flux_before", "flux_correction", "added_above_noise", "sky", "noise")


def write_summary(paths: Sequence[Path], folder: Path) -> pd.DataFrame:
    """Write ``summary.parquet`` and ``summary.csv``: a line an image, as the products' ``.json`` say.

    Columns: ``product``, ``image``, ``file``, ``ra``, ``dec`` (degrees, ICRS, of the middle), ``chi2``,
    ``flux_before``, ``flux_correction``, ``added_above_noise``, ``sky``, ``noise``, ``warnings``.
    """
    parts = [pd.DataFrame([_row(path) for path in paths[at : at + _PAGE]]) for at in range(0, len(paths), _PAGE)]
    table = pd.concat(parts, ignore_index=True).astype({"ra": float, "dec": float})
    with whole_file(folder / "summary.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    write_text(folder / "summary.csv", table.to_csv(index=False))
    return table


def _row(path: Path) -> dict[str, Any]:
    known = read_json(path.with_suffix(".json")) or {}
    facts = known.get("facts", {})
    about = {name: known.get(name) for name in ("image", "file", "ra", "dec")}
    told = {name: facts.get(name) for name in _FACTS}
    return {"product": path.name, **about, **told, "warnings": "; ".join(known.get("warnings", []))}


def write_index(table: pd.DataFrame, folder: Path) -> Path:
    """Write ``index.html`` and further pages, each with one picture that holds the previews of its images.

    Args:
        table: of :func:`write_summary`.
        folder: of the products.
    """
    count = -(-len(table) // _PAGE)
    with track("previews", len(table), "images") as advance:
        for page in range(count):
            part = table.iloc[page * _PAGE : (page + 1) * _PAGE]
            name = f"previews-{page:03d}.png"
            _sprite([folder / product for product in part["product"]], folder / name, advance)
            write_text(folder / _page_name(page), _page(part, name, page, count))
    return folder / _page_name(0)


def _page_name(page: int) -> str:
    return "index.html" if page == 0 else f"index-{page:03d}.html"


def _sprite(products: list[Path], path: Path, advance: Any) -> None:
    """Write the previews of some products below each other: the input interpolated, and the image."""
    from PIL import Image as Picture

    sheet = np.zeros((len(products) * _PREVIEW, _COLUMNS * _PREVIEW), np.uint8)
    for i, product in enumerate(products):
        for k, plane in enumerate(_previews(product)):
            sheet[i * _PREVIEW : (i + 1) * _PREVIEW, k * _PREVIEW : (k + 1) * _PREVIEW] = plane
        advance(1, product.name)
    with whole_file(path) as temporary:
        Picture.fromarray(sheet).save(temporary, optimize=True)


def _previews(product: Path) -> list[np.ndarray]:
    from astropy.io import fits

    with fits.open(product, memmap=True) as hdus:
        planes = [_small(hdus[name].data) for name in ("BILINEAR", "SCI")]
    low, high = np.nanquantile(planes[1], [0.02, 0.998])
    width = max(1e-30, (high - low) / 10)
    top = np.arcsinh((high - low) / width)
    shown = [np.arcsinh(np.clip(np.nan_to_num(p, nan=low) - low, 0, None) / width) / top for p in planes]
    return [np.flipud(np.clip(255 * p, 0, 255).astype(np.uint8)) for p in shown]


def _small(image: np.ndarray) -> np.ndarray:
    """Return the nearest pixels of an image on a square of ``_PREVIEW``."""
    rows, columns = ((np.arange(_PREVIEW) + 0.5) * n / _PREVIEW for n in image.shape)
    return np.asarray(image[rows.astype(int)][:, columns.astype(int)], np.float64)


def _page(part: pd.DataFrame, sprite: str, page: int, count: int) -> str:
    links = " ".join(f"<b>{i + 1}</b>" if i == page else f"<a href='{_page_name(i)}'>{i + 1}</a>" for i in range(count))
    style = (
        "body{font:14px sans-serif;margin:1em}table{border-collapse:collapse}td,th{padding:2px 8px;text-align:left;"
        f"vertical-align:middle}}i{{display:block;width:{_COLUMNS * _PREVIEW}px;height:{_PREVIEW}px;"
        f"background:url({sprite})}}td.n{{text-align:right}}td:last-child{{overflow-wrap:anywhere}}"
    )
    rows = "".join(
        f"<tr><td><i style='background-position:0 -{i * _PREVIEW}px'></i></td>"
        f"<td><a href='{html.escape(str(row['product']))}'>{html.escape(str(row['image']))}</a></td>"
        f"<td class='n'>{_number(row['chi2'])}</td><td class='n'>{_number(row['flux_before'])}</td>"
        f"<td>{html.escape(str(row['warnings']))}</td></tr>"
        for i, (_, row) in enumerate(part.iterrows())
    )
    head = "<th>interpolated, upscaled</th><th>image</th><th>χ²</th><th>flux of the network</th><th>notes</th>"
    return (
        f"<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Upscaled images</title><style>{style}</style><p>{links}</p><table><tr>{head}</tr>{rows}</table>"
    )


def _number(value: Any) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"
