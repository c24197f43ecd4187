"""Measure the project against what one would use without it: lenstronomy, .npy files and a bare PyTorch loop.

Each comparison runs both sides in one process, in turns (A, B, A, B, ...), so that whatever else the machine does
meets both alike, and on one thread, since threads that wait for each other stall whenever another program takes a
core. The ratio of the medians is the result; the rates beside it are of this machine at this hour.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # torch, Lightning and lenstronomy take seconds to import; --help shall not wait for them
    import numpy as np
    from torch import Tensor, nn

    from lenssr.data.lensing import Instrument

SIMULATION_TARGETS = {"no_sub": 3.0, "cdm": 2.5, "axion": 3.5}  # times lenstronomy's rate
OVERHEAD_TARGET = 0.05
BATCH = 32  # images read together


class Size(NamedTuple):
    """How much is measured: turns; simulated images, read batches and training steps a turn; images in the read set."""

    rounds: int
    images: int
    batches: int
    steps: int
    stored: int


QUICK = Size(rounds=3, images=16, batches=20, steps=12, stored=300)
FULL = Size(rounds=7, images=64, batches=60, steps=32, stored=1500)


class Seconds(NamedTuple):
    """Time that one item took: on the wall clock, and of the processor."""

    wall: float
    cpu: float


class Row(NamedTuple):
    """One comparison: what the table shows, and what the JSON file keeps."""

    cells: dict[str, str]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Seconds per item of the project and of the alternative, by clock: a number a round."""

    ours: dict[str, list[float]]
    theirs: dict[str, list[float]]

    def rates(self, clock: str) -> tuple[float, float]:
        """Return items per second of both sides, from the medians."""
        return 1 / statistics.median(self.ours[clock]), 1 / statistics.median(self.theirs[clock])

    def ratio(self, clock: str) -> dict[str, float]:
        """Return how many times faster the project is: ratio of the medians, extremes over the rounds."""
        ours, theirs = self.rates(clock)
        each = [b / a for a, b in zip(self.ours[clock], self.theirs[clock], strict=True)]
        return {"median": ours / theirs, "min": min(each), "max": max(each)}

    def facts(self) -> dict[str, Any]:
        """Return everything measured."""
        ratios = {clock: self.ratio(clock) for clock in self.ours}
        return {"speed_ratio": ratios, "seconds_per_item": {"ours": self.ours, "theirs": self.theirs}}


def _triple(values: dict[str, float], form: str) -> str:
    return f"{values['median']:{form}} ({values['min']:{form}} to {values['max']:{form}})"


def _overhead(ratio: dict[str, float]) -> dict[str, float]:
    """Return the further time that the project takes, as a fraction; a low ratio of speeds is a high overhead."""
    return {"median": 1 / ratio["median"] - 1, "min": 1 / ratio["max"] - 1, "max": 1 / ratio["min"] - 1}


def _alternate(label: str, rounds: int, ours: Callable[[], Seconds], theirs: Callable[[], Seconds]) -> Comparison:
    turns = []
    for turn in range(rounds):
        print(f"{label}: round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
        turns.append((ours(), theirs()))
    sides = zip(*turns, strict=True)
    return Comparison(*({clock: [getattr(s, clock) for s in side] for clock in Seconds._fields} for side in sides))


def _timed(work: Callable[[], Iterable[Any]], items: int) -> Callable[[], Seconds]:
    """Return a function that goes through what the work yields and tells what one of its items took."""

    def run() -> Seconds:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in work():
            pass  # kept by nobody, as in use: memory that is never given back would dominate both sides
        return Seconds((time.perf_counter() - wall) / items, (time.process_time() - cpu) / items)

    return run


def _config(outputs: Path, *overrides: str) -> dict[str, Any]:
    from lenssr.config import compose, plain

    return plain(compose([f"paths.outputs={outputs}", *overrides]))


def lenstronomy_image(row: dict[str, Any], camera: Instrument) -> np.ndarray:
    """Return the image of one row of the parameter table, everything built anew as the published simulator does."""
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel
    from lenstronomy.Util.simulation_util import data_configure_simple

    ellipsoid = {key: row[key] for key in ("theta_E", "e1", "e2")}
    masses = zip(row["subhalo_x"], row["subhalo_y"], row["subhalo_theta_E"], strict=True)
    lens = [
        {**ellipsoid, "center_x": row["lens_x"], "center_y": row["lens_y"]},
        {"gamma1": row["gamma1"], "gamma2": row["gamma2"]},
        *({"center_x": x, "center_y": y, "theta_E": theta} for x, y, theta in masses),
    ]
    names = {"x": "center_x", "y": "center_y", "radius": "R_sersic", "index": "n_sersic", "amplitude": "amp"}
    source = {names.get(key, key): row[f"source_{key}"] for key in (*names, "e1", "e2")}
    # exposure time and background matter to noise alone, of which there is none
    pixels = data_configure_simple(camera.image_size, camera.pixel_scale, 1000.0, 0.01, inverse=False)
    psf = PSF("GAUSSIAN", fwhm=camera.psf_fwhm, pixel_size=camera.pixel_scale, truncation=camera.psf_truncation)
    lens_model = LensModel(["SIE", "SHEAR"] + ["POINT_MASS"] * (len(lens) - 2))
    model = ImageModel(ImageData(**pixels), psf, lens_model, LightModel(["SERSIC_ELLIPSE"]))
    return model.image(lens, [source])


def simulation(size: Size, folder: Path) -> list[Row]:
    """Noise-free images of 150 px: lenssr against lenstronomy, objects rebuilt for every image."""
    import numpy as np

    from lenssr.build import build_data
    from lenssr.data.parameters import sample
    from lenssr.data.simulate import simulate

    source = build_data(_config(folder, "physics=deeplense", "dataset.image_size=150")).source
    rows = []
    for name, target in SIMULATION_TARGETS.items():
        table = sample(source.physics, source.exposure_time, [name], source.seed, "train", size.images)
        records = table.to_dict("records")

        def ours(table: Any = table) -> Iterable[np.ndarray]:
            return simulate(table, source.instrument)

        def theirs(records: Any = records) -> Iterable[np.ndarray]:
            return (lenstronomy_image(row, source.instrument) for row in records)

        expected = np.stack(list(theirs()))  # warms up both, too
        difference = float(np.abs(np.concatenate(list(ours())) - expected).max() / expected.max())
        found = _alternate(name, size.rounds, _timed(ours, size.images), _timed(theirs, size.images))
        rate, reference = found.rates("cpu")
        cells = {
            "class": name,
            "lenssr, images/s": f"{rate:.0f}",
            "lenstronomy, images/s": f"{reference:.0f}",
            "ratio, CPU time": _triple(found.ratio("cpu"), ".2f"),
            "ratio, wall": _triple(found.ratio("wall"), ".2f"),
            "target": f">= {target}",
            "max |difference| / peak": f"{difference:.0e}",
        }
        facts = {"class": name, "target": target, "max_difference_over_peak": difference, **found.facts()}
        rows.append(Row(cells, facts))
    return rows


def reading(size: Size, folder: Path) -> list[Row]:
    """Random batches of whole images, page cache warm: the memory-mapped set against a .npy file an image."""
    import numpy as np
    import torch

    from lenssr.build import build_data
    from lenssr.data.observe import Window

    splits = f"dataset.source.splits={{train:{size.stored},validation:1,test:1}}"
    data = build_data(_config(folder, splits, "dataset.source.classes=[no_sub]", "loader.resident=false"))
    reader = data.reader("train", torch.device("cpu"))
    files = [folder / f"{i}.npy" for i in range(size.stored)]
    for path, image in zip(files, reader.images.images, strict=True):
        np.save(path, image)
    drawn = torch.from_numpy(np.random.default_rng(0).integers(size.stored, size=(size.batches, BATCH)))
    corner = torch.zeros(BATCH, dtype=torch.int64)
    window = Window(corner, corner, reader.image_size, reader.image_size)

    def ours(index: Tensor) -> Tensor:
        return reader._pixels.cut(index, window)  # read() would add noise, which is no matter of storage

    def theirs(index: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([np.load(files[i]) for i in index.tolist()]))

    # this also brings every page that will be read into the page cache
    identical = all(torch.equal(ours(index), theirs(index)) for index in drawn)
    sides = [_timed(lambda read=read: map(read, drawn), drawn.numel()) for read in (ours, theirs)]
    found = _alternate("random reads", 2 * size.rounds + 1, *sides)
    rate, reference = found.rates("cpu")
    cells = {
        "images": str(size.stored),
        "batch": str(BATCH),
        "memory-mapped, images/s": f"{rate:.0f}",
        "a .npy each, images/s": f"{reference:.0f}",
        "ratio, CPU time": _triple(found.ratio("cpu"), ".2f"),
        "ratio, wall": _triple(found.ratio("wall"), ".2f"),
        "identical": "yes" if identical else "NO",
    }
    return [Row(cells, {"images": size.stored, "batch": BATCH, "identical": identical, **found.facts()})]


class _Stopwatch:
    """Clocks from the end of the first step to the end of the last, so that set-up and validation stay outside."""

    def __init__(self, steps: int) -> None:
        self.steps, self.marks = steps, []

    def step_ended(self, step: int) -> None:
        """Note the time; not of the steps in between, for a GPU must not wait for the clock."""
        import torch

        if step in (0, self.steps - 1):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.marks.append((time.perf_counter(), time.process_time()))

    def seconds(self) -> Seconds:
        """Return what a step took."""
        first, last = self.marks
        return Seconds(*((b - a) / (self.steps - 1) for a, b in zip(first, last, strict=True)))


def project_training(config: dict[str, Any], watch: _Stopwatch) -> nn.Module:
    """Train with the project's trainer, callbacks, logger and checkpoint."""
    import pytorch_lightning as pl

    from lenssr.build import build_data, build_task, build_trainer
    from lenssr.runs import Run

    class Stamp(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            watch.step_ended(trainer.global_step - 1)

    run, task, data = Run(config, {}), build_task(config), build_data(config)
    run.begin()
    trainer = build_trainer(config, run, task)
    trainer.callbacks.insert(0, Stamp())
    trainer.fit(task, datamodule=data)
    return task.model


def bare_training(config: dict[str, Any], watch: _Stopwatch) -> nn.Module:
    """Train with PyTorch alone on the same batches, from the same weights, by the same rule."""
    import torch
    import torch.nn.functional as F

    from lenssr.build import build_data, build_model

    wanted = config["optimizer"]
    loader = build_data(config).train_dataloader()
    model = build_model(config).to(loader.reader.device).train()
    optimizer = torch.optim.Adam(model.parameters(), wanted["lr"], wanted["betas"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, wanted["lr"], watch.steps, pct_start=wanted["warmup"], cycle_momentum=False
    )
    for step, batch in enumerate(loader):
        optimizer.zero_grad()
        F.mse_loss(model(batch["lr"]), batch["target"]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config["trainer"]["gradient_clip_val"])
        optimizer.step()
        schedule.step()
        watch.step_ended(step)
    return model


def training(size: Size, folder: Path) -> list[Row]:
    """A training step of RDN with MSE, patches of 64 px in batches of 4: lenssr against a bare PyTorch loop."""
    from torch.nn.utils import parameters_to_vector

    config = _config(
        folder,
        *("model=rdn", "loss=mse", "optimizer=adam", "loader.patch=64", "loader.batch_size=4"),
        *("dataset.source.splits={train:48,validation:3,test:3}", "trainer.validations=1", "trainer.precision=32-true"),
        f"trainer.max_steps={size.steps}",
    )
    models: dict[Any, nn.Module] = {}

    def run(train: Callable[[dict[str, Any], _Stopwatch], nn.Module]) -> Seconds:
        watch = _Stopwatch(size.steps)
        models[train] = train(config, watch)
        return watch.seconds()

    found = _alternate("training", size.rounds, lambda: run(project_training), lambda: run(bare_training))
    weights = [parameters_to_vector(model.parameters()).detach().cpu() for model in models.values()]
    difference = float((weights[0] - weights[1]).abs().max())
    rate, reference = found.rates("wall")
    overhead = {clock: _overhead(found.ratio(clock)) for clock in Seconds._fields}
    cells = {
        "steps": str(size.steps),
        "lenssr, s/step": f"{1 / rate:.4f}",
        "bare loop, s/step": f"{1 / reference:.4f}",
        "overhead, CPU time": _triple(overhead["cpu"], "+.1%"),
        "overhead, wall": _triple(overhead["wall"], "+.1%"),
        "target": f"<= {OVERHEAD_TARGET:.0%}",
        "max |difference| of weights": f"{difference:.0e}",
    }
    facts = {"steps": size.steps, "target": OVERHEAD_TARGET, "overhead": overhead, "max_weight_difference": difference}
    return [Row(cells, {**facts, **found.facts()})]


def _show(title: str, rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0].cells, title=f"{title}\nmedian (least to most over the rounds)", title_justify="left")
    for row in rows:
        table.add_row(*row.cells.values())
    # a pipe has no width of its own, and 80 columns would break the ratios apart
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def _surroundings(folder: Path) -> dict[str, Any]:
    import psutil

    from lenssr.provenance import Provenance

    provenance = Provenance(folder / "provenance.json")
    facts = {"git": provenance.attempts[-1]["git"], **provenance.facts}
    for name in ("lenstronomy", "scipy", "numba"):  # lenstronomy compiles with numba where it is installed
        try:
            facts["packages"][name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            facts["packages"][name] = None
    facts["hardware"] |= {"cores": os.cpu_count(), "memory_bytes": psutil.virtual_memory().total}
    return {"command": shlex.join(["python", *sys.argv]), **facts}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer images, steps and rounds; the ratios scatter more")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write every number to this file")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    size = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory(prefix="lenssr-benchmark-") as temporary:
        report = {**_surroundings(Path(temporary)), "size": size._asdict()}
        for section in (simulation, reading, training):
            folder = Path(temporary) / section.__name__
            folder.mkdir()
            rows = section(size, folder)
            _show(section.__doc__, rows)
            report[section.__name__] = {"what": section.__doc__, "rows": [row.facts for row in rows]}
    if arguments.out:
        from lenssr.files import write_json

        write_json(arguments.out, report)


if __name__ == "__main__":
    main()
