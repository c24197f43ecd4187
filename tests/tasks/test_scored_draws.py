"""Draws in one evaluation: a score with a known minimum, draws that follow from their address, runs that are used."""

import math

import pandas as pd
import pytest
import torch
from scipy.stats import norm
from tiny import TINY_SCORED

import lenssr
from lenssr.config.compose import compose, plain
from lenssr.errors import ConfigError, RunError
from lenssr.runs.build import build_data, build_task
from lenssr.runs.load import load_task, read_config
from lenssr.train import train

TINY = ["model=crps_sr", *TINY_SCORED]
EXACT = ["dataset.target=truth", "dataset.source.classes=[axion]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(compose([*TINY, *EXACT, f"paths.outputs={tmp_path_factory.mktemp('scored')}"]))


def built(*overrides):
    torch.manual_seed(0)
    return build_task(plain(compose([*TINY, *overrides])))


def test_the_score_is_the_fair_crps_of_every_pair_of_draws():
    """Ferro 2014: mean |x_i - y| less half the mean |x_i - x_j| over i != j, written as two loops; of pixels, then of
    the means over squares."""
    task = built("task.pooled=[1,2]")
    draws, target = torch.rand(2, 3, 4, 4), torch.rand(2, 1, 4, 4)

    def loops(x, y):
        count = x.shape[1]
        error = sum((x[:, i] - y).abs() for i in range(count)) / count
        pairs = sum((x[:, i] - x[:, j]).abs() for i in range(count) for j in range(count) if i != j)
        return (error - pairs / (2 * count * (count - 1))).mean((-2, -1))

    def squares(x):
        return x.unflatten(-1, (2, 2)).unflatten(-3, (2, 2)).mean((-1, -3))

    wanted = loops(draws, target[:, 0]) + loops(squares(draws), squares(target)[:, 0])
    torch.testing.assert_close(task._score(draws, {"target": target}), wanted)


@pytest.mark.parametrize("count", [2, 4])
def test_two_draws_are_scored_as_many_and_honest_ones_best(count):
    """Of N(m, s^2) about a target of N(0, 1): Gneiting & Raftery 2007, eq. 21, averaged; least at m = 0 and s = 1."""
    task, generator = built("task.pooled=[1]"), torch.Generator().manual_seed(0)
    target = torch.randn(1, 1, 300, 300, generator=generator)
    honest = 2 * norm.pdf(0) * math.sqrt(2) - 1 / math.sqrt(math.pi)  # E|y| of N(0, 2), less that of a pair
    assert honest == pytest.approx(1 / math.sqrt(math.pi))
    found = {}
    for mean, width in ((0.0, 1.0), (0.0, 0.5), (0.0, 2.0), (0.5, 1.0)):
        draws = mean + width * torch.randn(1, count, 300, 300, generator=generator)
        found[mean, width] = float(task._score(draws, {"target": target}))
    assert found[0.0, 1.0] == pytest.approx(honest, abs=0.01)
    assert min(found.values()) == found[0.0, 1.0]


def batches(run, size, *overrides):
    config = read_config(run.folder)
    config["loader"]["evaluation_batch_size"] = size
    return load_task(run.folder, config=config), list(build_data(config).evaluation("test", torch.device("cpu")))


@torch.no_grad()
def test_draws_are_the_same_whatever_the_batch_and_the_number_of_draws(run):
    found = []
    for size, count in ((1, 4), (3, 4), (3, 2)):
        task, data = batches(run, size)
        task.draws = count
        found.append(torch.cat([task.posterior(batch) for batch in data]))
    assert found[0].shape == (4, 4, 32, 32)
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[2], found[0][:, :2], rtol=1e-4, atol=1e-5)
    task.draw_seed = 1
    assert not torch.allclose(task.posterior(data[0]), found[2][:3])


@torch.no_grad()
def test_no_two_draws_share_a_random_number():
    """Of images, draws, levels and moments; a training sample's place is that in the batch of all devices."""
    task = built()
    seen = []

    def watch(lr, latent, noise):
        if latent.any():  # not the draw of no random numbers
            seen.append((latent, noise))
        return torch.zeros(*noise.shape[:2], *noise.shape[-2:])

    task.model.draws = watch
    batch = {"lr": torch.rand(2, 1, 16, 16), "target": torch.rand(2, 1, 32, 32), "index": torch.tensor([5, 6])}
    task.draws = 3
    task.posterior(batch)
    task.validate(batch)
    task.objective(batch)
    for part in (0, 1):
        values = torch.cat([entry[part].flatten() for entry in seen])
        assert values.unique().numel() > 0.999 * values.numel()
    assert float(torch.cat([entry[1].flatten() for entry in seen]).std()) == pytest.approx(1, abs=0.02)
    halves = []
    for rank in (0, 1):  # two devices, an image each
        task._world_size, (task._rank) = (lambda: 2), rank
        one = {name: value[rank : rank + 1] for name, value in batch.items()}
        type(task).global_rank = property(lambda self: self._rank)
        task.objective(one)
        halves.append(seen[-1][1])
    del type(task).global_rank
    torch.testing.assert_close(torch.cat(halves), seen[2][1])


def test_training_makes_better_draws(tmp_path):
    """Sixty steps on a handful of images: the validation's CRPS falls by more than a quarter, and the draws differ."""
    words = ["trainer.max_steps=60", "trainer.validations=1", "optimizer.lr=0.01", f"paths.outputs={tmp_path}"]
    overrides = [*TINY, *EXACT, *words]
    before = build_task(plain(compose(overrides)))
    result = train(compose(overrides))
    config = read_config(result.folder)
    data, after = build_data(config), load_task(result.folder, config=config)
    with torch.no_grad():
        batch = next(iter(data.evaluation("validation", torch.device("cpu"))))
        scores = [float(task.validate(batch).mean()) for task in (before, after)]
        draws = after.posterior(batch)
    assert scores[1] < 0.75 * scores[0]
    assert float(draws.std(1).mean()) > 1e-4


def test_a_run_is_scored_as_a_posterior_and_compared_with_the_exact_one(run):
    from lenssr.evaluate import evaluate

    scores = run.metrics["scores"]["prediction"]
    assert {"ensemble/crps", "ensemble/quantile68", "ensemble/worst_coverage", "ensemble/tarp_p"} <= set(scores)
    assert scores["ensemble/evaluations"]["mean"] == 1
    assert "ensemble/c2st" not in scores
    found = evaluate(run.folder, ["task.compared=2", "task.draws=16"])
    each = pd.read_parquet(found.folder / "per_image.parquet")["prediction/ensemble/c2st"]
    assert each.notna().tolist() == [True, True, False, False] and each[:2].between(0, 1).all()
    assert found.metrics["scores"]["prediction"]["ensemble/c2st"]["mean"] == pytest.approx(each[:2].mean())


def test_without_the_truth_there_is_no_exact_posterior(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.target=truth"):
        train(compose([*TINY, "task.compared=1", f"paths.outputs={tmp_path}"]))


def test_it_upscales_an_array_and_says_how_sure_it_is(run):
    lr = 0.1 * torch.rand(16, 16, generator=torch.Generator().manual_seed(0)).double().numpy()
    product = lenssr.upscale(run.folder, lr)[0]
    assert product.sr.shape == (32, 32) and product.err is not None and float(product.err.min()) >= 0
    again = lenssr.upscale(run.folder, lr)[0]
    assert (product.sr == again.sr).all()
    with pytest.raises(RunError, match="draws from a posterior"):
        lenssr.load_run(run.folder).predict(lr)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("task.together=1", ("task.together=1", "2 or more")),
        ("task.pooled=[0]", ("task.pooled=[0]", "positive")),
        ("task.draws=1", ("task.draws=1", "2 or more")),
        ("model.bound=1.5", ("bound=1.5",)),
    ],
)
def test_mistakes_are_named(mistake, words, cli, tmp_path):
    code, _, err = cli(*TINY, f"paths.outputs={tmp_path}", mistake)
    assert code == 2 and all(word in err for word in words), err
    assert "Traceback" not in err
