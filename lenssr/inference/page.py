"""A page to look at: input, image, uncertainty, residual and a profile, in one file that opens from disk."""

from __future__ import annotations

import base64
import html
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from lenssr.inference.result import Product
from lenssr.system.files import write_text

__all__ = ["write_page"]


def write_page(product: Product, path: Path) -> None:
    """Write the page; it holds the pixels as float32 and needs no network."""
    area = 1.0 if product.image.per_area else float(product.scale**2)
    noise = product.facts["noise"]
    # all images in input flux per input pixel, so that one stretch serves them
    panels = [
        _panel("input", product.image.data, "sky"),
        _panel(f"{product.network.name}, x{product.scale}", product.sr * area, "sky"),
        *([_panel("standard deviation (ERR)", product.err * area, "plain")] if product.err is not None else []),
        _panel("residual / noise", product.residual, "signed"),
    ]
    facts = {**product.facts, "run": product.network.hash[:12]}
    if product.err is not None:
        facts["ERR is"] = product.spread
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(_told(v))}</td></tr>" for k, v in facts.items())
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in product.warnings)
    data = json.dumps({"panels": panels, "sky": product.facts["sky"], "noise": noise}).replace("</", "<\\/")
    text = files("lenssr.inference").joinpath("page.html").read_text(encoding="utf-8")
    for key, value in {"TITLE": html.escape(product.image.name), "FACTS": rows, "NOTES": notes, "DATA": data}.items():
        text = text.replace(f"@@{key}@@", value)
    write_text(path, text)


def _panel(title: str, values: np.ndarray, kind: str) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    return {
        "title": title, "kind": kind, "height": values.shape[0], "width": values.shape[1],
        "top": float(np.quantile(known, 0.999)),
        "pixels": base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode(),
    }  # fmt: skip


def _told(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
