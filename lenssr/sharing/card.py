"""The model card: what a model was trained on, what it scores, and what it is not for."""

from __future__ import annotations

from typing import Any

from lenssr.config.kinds import draws_posteriors
from lenssr.runs.summary import columns, rows
from lenssr.system.version import __version__

__all__ = ["card"]


def card(config: dict[str, Any], metrics: dict[str, Any], run: str, onnx: str | None) -> str:
    """Return the card as Markdown, with the header that the hub reads."""
    name = config["model"]["name"]
    header = ["---", "library_name: lenssr", "license: mit", "pipeline_tag: image-to-image"]
    header += ["tags: [gravitational-lensing, super-resolution, astronomy]", "---"]
    parts = [
        "\n".join(header),
        f"# {name}, {_loss(config)}trained on {config['dataset']['name']}",
        f"Run `{run[:8]}` of lenssr {__version__}, {metrics['parameters']:,} parameters.",
        f"## Use\n\n```python\nimport lenssr\n\n{_use(config)}\n```" + (f"\n\n{onnx}" if onnx else ""),
        f"## Data\n\n{_data(config)}",
        f"## Scores\n\n{_scores(config, metrics)}",
        f"## Limits\n\n{_limits(config)}",
    ]
    return "\n\n".join(parts) + "\n"


def _task(config: dict[str, Any]) -> str:
    return str(config["task"]["_target_"]).rsplit(".", 1)[-1]


def _loss(config: dict[str, Any]) -> str:
    return "" if "loss" in config["task"]["ignores"] else f"{config['loss']['name']} loss, "


def _use(config: dict[str, Any]) -> str:
    load = 'model = lenssr.load("<this folder or its name on the hub>")'
    task = _task(config)
    if task in ("Regression", "Classification"):
        return f"{load}\nfound, log_variance = model(image / model.unit)    # (B, 1, H, W), flux / HR pixel / unit time"
    if task == "AdversarialAutoencoder":
        return f"{load}\ncode = model.encode(image)    # (B, 1, N, N) in [-1, 1]"
    if draws_posteriors(config):
        return f"{load}    # the network alone: lenssr.upscale draws from the posterior with it"
    if config["dataset"]["normalization"] != "constant":
        return f"{load}    # images are each brought to 0 to 1; lenssr.upscale measures their flux"
    return f"{load}\nsr = model.predict(lr)    # an array (h, w), flux per LR pixel, to flux per HR pixel"


def _data(config: dict[str, Any]) -> str:
    data = config["dataset"]
    source, splits = data["source"], data["source"].get("splits", {})
    pixel = source.get("pixel_scale")
    if "lr" in data:
        pixel = data["lr"]["pixel_scale"] / data["scale"]
    told = [
        f"`{data['name']}`, `physics={config['physics']['name']}`, classes {', '.join(source.get('classes', []))}",
        f"{splits.get('train', '?')} training images of {data['image_size']} px of {pixel} arcsec",
        f"LR pixels {data['scale']} times as large" if data["scale"] > 1 else "LR images of the same size",
        f"trained towards the {'noise-free truth' if data['target'] == 'truth' else 'noisy HR image'}",
        f"scale `{config['scale']['name']}`, seed {config['seed']}",
    ]
    if "lr" in data:
        told.insert(1, f"LR images as `{data['lr']['name']}` sees them, HR images as `{data['hr']['name']}`")
    return "\n".join(f"- {line}" for line in told)


def _scores(config: dict[str, Any], metrics: dict[str, Any]) -> str:
    headings = [heading.replace("\n", " ") for _, heading, _ in columns(metrics["scores"]["prediction"])]
    lines = ["| | " + " | ".join(headings) + " |", "|---" * (len(headings) + 1) + "|"]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows(metrics, config["model"]["name"])]
    return f"{metrics['images']} test images; {metrics['definitions']}.\n\n" + "\n".join(lines)


def _limits(config: dict[str, Any]) -> str:
    limits = [
        "Trained on simulated lenses only, with one instrument's pixels, PSF and noise: on other images its output is "
        "a guess, and structure finer than the LR pixel is what the training images make likely.",
        "A score near the noise ceiling of the report protocol says little; the truth protocol can rank.",
    ]
    if config["scale"]["name"] == "quick":
        limits.append("Trained at `scale=quick`, minutes on a CPU: for trying out, not for science.")
    return "\n".join(f"- {line}" for line in limits)
