"""Diffusion: samplers with a known answer, scores with a known value, draws that follow from their address alone."""

import math

import numpy as np
import pytest
import torch
from tiny import TINY_DIFFUSION, TINY_RDN_STAGE

from lenssr.config.compose import compose, plain
from lenssr.errors import ConfigError
from lenssr.metrics import ensemble
from lenssr.metrics.calibration import LEVELS
from lenssr.runs.build import build_data, build_model, build_task
from lenssr.runs.load import load_task
from lenssr.sharing import export
from lenssr.tasks.sampling import SAMPLERS, STEPS, alphas, evaluations_of, integrate, scheduler
from lenssr.train import train

TINY = ["model=diffusion", "dataset=model4", "model.widths=[8,8]", *TINY_DIFFUSION, *TINY_RDN_STAGE]


class GaussianPosterior:
    """What a perfect network tells where the posterior is N(mean, variance): prior and noise Gaussian, closed form.

    Prior N(0, 1), measured y = x + n with n ~ N(0, s^2): mean y / (1 + s^2), variance s^2 / (1 + s^2).
    """

    def __init__(self, y, s):
        self.mean, self.variance = y / (1 + s * s), s * s / (1 + s * s)

    def flow(self, x, t):
        total = (1 - t) ** 2 * self.variance + t**2
        data = self.mean + (1 - t) * self.variance / total * (x - (1 - t) * self.mean)
        return (x - (1 - t) * data) / t - data

    def epsilon(self, x, t):
        power = float(alphas()[min(STEPS - 1, round(t * STEPS))])
        data = self.mean + math.sqrt(power) * self.variance / (power * self.variance + 1 - power) * (
            x - math.sqrt(power) * self.mean
        )
        return (x - math.sqrt(power) * data) / math.sqrt(1 - power)


@pytest.mark.parametrize(
    ("sampler", "evaluations"),
    [("flow_euler", 400), ("flow_heun", 41), ("flow_dpm", 40), ("ddpm", 1000), ("ddim", 500), ("dpm", 40)],
)
def test_every_sampler_recovers_a_gaussian_posterior(sampler, evaluations):
    known = GaussianPosterior(y=1.5, s=1.2)
    made = scheduler(sampler, evaluations)
    assert evaluations_of(made) == evaluations
    count = 40_000
    noise = torch.randn(count, 1, generator=torch.Generator().manual_seed(0))
    told = getattr(known, SAMPLERS[sampler])
    torch.manual_seed(0)  # of the noise that ddpm adds on the way
    draws = integrate(made, told, noise)
    error = math.sqrt(known.variance / count)  # of the mean; of the variance it is sqrt(2) times relative
    assert float(draws.mean()) == pytest.approx(known.mean, abs=4 * error + 0.01)
    assert float(draws.std()) == pytest.approx(math.sqrt(known.variance), rel=4 / math.sqrt(2 * count) + 0.015)


def test_ten_evaluations_are_calibrated_on_a_normalised_residual_and_not_on_raw_pixels():
    """Why the residual: Heun's solver keeps a unit spread, and DDIM loses most of a narrow one."""
    noise = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1))
    wide = GaussianPosterior(0.0, 1e3)  # variance 1
    narrow = GaussianPosterior(0.0, 0.03)
    heun = integrate(scheduler("flow_heun", 9), wide.flow, noise).std()
    ddim = integrate(scheduler("ddim", 10), narrow.epsilon, noise).std()
    assert float(heun) == pytest.approx(1, abs=0.03)
    assert float(ddim) < 0.2 * math.sqrt(narrow.variance)


class Exposed:
    """Data of flat guesses c with targets N(c, 1) where c is dark and N(c, 0.3^2) where it is bright."""

    def __init__(self):
        numbers = torch.Generator().manual_seed(0)
        self.guess = torch.rand(64, 1, 1, 1, generator=numbers).expand(-1, 1, 16, 16)
        self.width = torch.where(self.guess < 0.5, 1.0, 0.3)
        self.target = self.guess + self.width * torch.randn(64, 1, 16, 16, generator=numbers)

    def evaluation(self, split, device):
        assert split == "validation"
        lr = self.guess[..., ::2, ::2].contiguous()
        return [{"lr": lr, "target": self.target, "index": torch.arange(64)}]


def test_draws_that_are_too_near_to_each_other_are_widened_by_brightness(tmp_path):
    """The network tells a posterior of half the width; what sampling starts from makes up for it."""
    config = plain(compose([*TINY, "dataset.scale=2", "task.calibrated=true", f"paths.outputs={tmp_path}"]))
    task, data, narrow = build_task(config), Exposed(), GaussianPosterior(0.0, math.sqrt(1 / 3))  # variance 1/4
    task.take(torch.nn.Upsample(scale_factor=2))
    task.spread.set_constant(1.0)
    task.model.forward = lambda x, time, lr, guess: narrow.flow(x, float(time[0]))
    task.draws = 16
    (batch,) = data.evaluation("validation", None)
    before = (task.posterior(batch) - data.guess).std()
    assert float(before) == pytest.approx(0.5, abs=0.02)
    assert task.calibrate(data) and task.draws == 16
    apart = task.posterior(batch) - data.guess
    for where, width in ((data.guess < 0.4, 1.0), (data.guess > 0.6, 0.3)):
        assert float(apart[where.expand_as(apart)].std()) == pytest.approx(width, rel=0.05)


def test_a_calibrated_run_goes_where_others_go(tmp_path):
    """What was calibrated is tested, exported and loaded with the weights."""
    folder = train(compose([*TINY, "task.calibrated=true", f"paths.outputs={tmp_path}"])).folder
    shared = export(folder, tmp_path / "shared", onnx=False)
    own, other = (load_task(path).model.temperature.log_rms for path in (folder, shared))
    assert float(own.abs().max()) > 0.01 and torch.equal(own, other)


def test_crps_of_a_gaussian_is_the_textbooks():
    """Gneiting & Raftery 2007, eq. 21, for N(0, 1) at y: y (2 Phi - 1) + 2 phi - 1 / sqrt(pi), with few draws too."""
    from scipy.stats import norm

    torch.manual_seed(0)
    y = 0.7
    expected = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / math.sqrt(math.pi)
    for count in (2, 5, 16):
        draws = torch.randn(1, count, 400, 400)
        found = float(ensemble.crps(draws, torch.full((1, 400, 400), y)))
        assert found == pytest.approx(expected, abs=0.006), count
    one = torch.rand(3, 1, 4, 4)
    assert torch.allclose(ensemble.crps(one, torch.zeros(3, 4, 4)), one.mean(dim=(1, 2, 3)))


def test_an_honest_ensemble_has_flat_ranks_and_the_nominal_coverage():
    torch.manual_seed(1)
    draws, target = torch.randn(2, 16, 200, 200), torch.randn(2, 200, 200)
    rank = ensemble.ranks(draws, target)
    share = torch.bincount(rank.flatten(), minlength=17) / rank.numel()
    assert share.numpy() == pytest.approx(np.full(17, 1 / 17), abs=0.004)
    for level in LEVELS:
        assert float(ensemble.coverage(draws, target, level).mean()) == pytest.approx(level, abs=0.006)
    assert float(ensemble.coverage(0.5 * draws, target, 0.68).mean()) < 0.5


def test_the_spread_is_that_of_the_residual_at_pixels_as_bright():
    """Where the residual is N(0, (0.1 + b)^2) at brightness b, it is told to be; between the knots and beyond too."""
    from lenssr.models.spread import Spread

    torch.manual_seed(2)
    brightness = torch.rand(400, 1, 1, 1).square().expand(-1, 1, 24, 24)
    spread = Spread()
    spread.fit(brightness, (0.1 + brightness) * torch.randn(brightness.shape))
    told = spread(brightness)
    assert float((told / (0.1 + brightness) - 1).abs().mean()) < 0.06  # the first bin is wide
    assert float(spread(torch.full((1, 1, 8, 8), 5.0)).max()) == pytest.approx(float(told.max()), rel=1e-5)
    arc = torch.zeros(1, 1, 9, 9)
    arc[..., 4, 4] = 1.0  # what lies beside an arc is as wide as the arc
    assert float(spread(arc)[..., 4, 6]) == float(spread(arc)[..., 4, 4]) > 2 * float(spread(arc)[..., 0, 0])


def test_the_originals_size_is_the_reports():
    model = build_model(plain(compose(["model=ddpm_original"])))
    assert sum(p.numel() for p in model.parameters()) == 23_331_457


@pytest.mark.parametrize("name", ["diffusion", "ddpm_original"])
def test_any_image_size(name):
    small = ["model.widths=[8,8,8]"] if name == "diffusion" else []
    model = build_model(plain(compose([f"model={name}", *small]))).eval()
    with torch.no_grad():
        told = model(torch.rand(1, 1, 18, 21), torch.rand(1), torch.rand(1, 1, 9, 11), torch.rand(1, 1, 18, 21))
    assert told.shape == (1, 1, 18, 21)


@pytest.mark.parametrize("target", ["observed", "truth"])
@pytest.mark.parametrize("dataset", ["model2", "model4"])
def test_a_perfect_draw_is_consistent_with_its_lr_image(dataset, target, tmp_path):
    """A draw of the observed image holds HR noise, one of the truth does not: both score 1."""
    images = "scale.dataset={train: 3, validation: 3, test: 12}"
    more = [f"dataset={dataset}", images, f"dataset.target={target}", "loader.patch=64", f"paths.outputs={tmp_path}"]
    data = build_data(plain(compose(more)))
    found = []
    for batch in data.evaluation("test", torch.device("cpu")):
        draw = batch["flux"] if target == "truth" else batch["hr"]
        found.append(data.lr_chi_squared(draw[:, 0], batch, "test", noisy=target == "observed"))
    assert float(torch.cat(found).mean()) == pytest.approx(1, abs=0.06)


@pytest.fixture(scope="module")
def run(tmp_path_factory, whole_pictures):
    return train(compose([*TINY, "logger=wandb", f"paths.outputs={tmp_path_factory.mktemp('diffusion')}"]))


def test_a_run_scores_draws_as_images_and_as_a_posterior(run):
    scores = run.metrics["scores"]
    assert {"prediction", "sample", "guess", "bilinear", "ceiling"} == set(scores)
    wanted = {"ensemble/crps", "ensemble/coverage68", "ensemble/spread_skill", "ensemble/consistency", "truth/psnr"}
    assert wanted <= set(scores["prediction"])
    for name in ("samples.png", "calibration.png", "denoising.gif", "comparison.png"):
        assert (run.folder / "figures" / name).stat().st_size > 3000, name
    logged = {path.suffix for path in (run.folder / "logs").rglob("*/media/**/*") if path.is_file()}
    assert {".png", ".gif"} <= logged  # the pictures and the film reach the dashboard
    assert "flow_heun, 3 evaluations, 4 draws" in run.metrics["definitions"]
    # the truth itself is consistent with the LR image: a reduced chi-squared of 1
    assert scores["ceiling"]["ensemble/consistency"]["mean"] == pytest.approx(1, abs=0.1)


def task_and_batches(run, size):
    from lenssr.runs.load import load_task, read_config

    config = read_config(run.folder)
    config["loader"]["evaluation_batch_size"] = size
    task = load_task(run.folder, config=config)
    return task, list(build_data(config).evaluation("test", torch.device("cpu")))


def test_draws_are_the_same_whatever_the_batch(run):
    draws = []
    for size in (1, 3):
        task, batches = task_and_batches(run, size)
        draws.append(torch.cat([task.posterior(batch) for batch in batches]))
    assert draws[0].shape == (4, 4, 32, 32)
    difference = (draws[0] - draws[1]).abs().max() / draws[0].abs().max()
    assert float(difference) < 1e-4
    assert not torch.allclose(draws[0][:, 0], draws[0][:, 1], atol=1e-3)


def test_draws_of_the_ancestral_sampler_too(tmp_path):
    overrides = ["model=ddpm_original", *TINY[1:], f"paths.outputs={tmp_path}", "task.evaluations=5", "task.draws=2"]
    overrides = [o for o in overrides if "widths" not in o]
    config = plain(compose(overrides))
    draws = []
    for size in (1, 2):
        config["loader"]["evaluation_batch_size"] = size
        task = build_task(config).eval()
        task.spread.set_constant(0.5)
        batches = list(build_data(config).evaluation("test", torch.device("cpu")))[: 2 // size]
        draws.append(torch.cat([task.posterior(batch) for batch in batches]))
    assert float((draws[0] - draws[1]).abs().max() / draws[0].abs().max()) < 1e-5


def test_another_sampler_needs_no_training(run):
    from lenssr.evaluate import evaluate

    found = evaluate(run.folder, ["task.sampler=flow_euler", "task.evaluations=2"])
    assert "flow_euler, 2 evaluations" in found.metrics["definitions"]
    guess = "guess"
    assert found.metrics["scores"][guess]["truth/psnr"] == run.metrics["scores"][guess]["truth/psnr"]
    with pytest.raises(ConfigError, match="tells epsilon; this one tells flow"):
        evaluate(run.folder, ["task.sampler=ddim"])
    with pytest.raises(ConfigError, match="changes nothing that a test depends on"):
        evaluate(run.folder, ["task.prediction=epsilon"])  # the network is what it is


def test_the_table_of_a_diffusion_is_drawn(run, tmp_path, monkeypatch):
    """Runs, and evaluations of them, whose weights are elsewhere."""
    from lenssr.evaluate import evaluate
    from lenssr.results.figures.tables import draw
    from lenssr.results.tables.table import Cell, Row, Table

    found = evaluate(run.folder, ["task.evaluations=5"])
    rows = [Row("three", "three", {}, [run]), Row("five", "five", {}, [found])]
    for row in rows:
        row.parameters, row.cells = 7, {"truth/psnr": Cell(30.0, None)}
    names = {path.name for path in draw(Table("t", "t", "c", "three", [], rows), tmp_path)}
    assert names == {f"t_{what}.png" for what in ("grid", "cost", "spectrum", "calibration", "samples")}


def test_interrupted_and_resumed_gives_the_same_weights(tmp_path, monkeypatch):
    from helpers import assert_same, interrupted, weights

    overrides = [*TINY, "trainer.max_steps=6", "trainer.validations=3"]
    whole = train(compose([*overrides, f"paths.outputs={tmp_path / 'whole'}"]))
    # the stage is made beforehand, so that it is not what is interrupted
    (tmp_path / "cut" / "runs").mkdir(parents=True)
    for name in ("runs", "datasets"):
        for folder in (tmp_path / "whole" / name).glob("[rm][do]*"):
            (tmp_path / "cut" / name).mkdir(exist_ok=True)
            (tmp_path / "cut" / name / folder.name).symlink_to(folder)
    interrupted(monkeypatch, 3, *overrides, f"paths.outputs={tmp_path / 'cut'}")
    resumed = train(compose([*overrides, f"paths.outputs={tmp_path / 'cut'}"]))
    assert_same(weights(whole.folder), weights(resumed.folder))
    assert whole.metrics["scores"] == resumed.metrics["scores"]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("task.sampler=heun", ("task.sampler=heun", "'flow_heun'")),
        ("task.sampler=ddpm", ("ddpm needs a network that tells epsilon", "flow_heun")),
        ("task.evaluations=2", ("task.evaluations=2", "between 3")),
        ("task.sampler=ddim task.prediction=epsilon task.evaluations=30", ("does not divide", "use 25")),
        ("task.draws=1", ("task.draws=1", "2 or more")),
        ("task.sampler=ddpm task.prediction=epsilon task.calibrated=true", ("task.calibrated", "ddim", "flow_heun")),
        ("loader.patch=16", ("loader.patch=16", "loader.patch=32")),
        ("task.residual=false task.calibrated=true", ("task.calibrated", "task.residual=true")),
        ("dataset.observation.blur=[2,1]", ("observation.blur", "in order")),
        ("dataset.source.galaxies.kind=galaxy10", ("Galaxy10_DECals.h5", "stand_in")),
    ],
)
def test_mistakes_are_named(mistake, words, cli, tmp_path):
    code, _, err = cli(*TINY, f"paths.outputs={tmp_path}", *mistake.split())
    assert code == 2 and all(word in err for word in words), err
    assert "Traceback" not in err
