"""Averaged weights, of networks whose layers compute kernels from their weights too."""

import pytest
import torch
from helpers import weights
from networks import SMALL

from lenssr.config.compose import compose
from lenssr.runs.load import load_run
from lenssr.train import train

EQUIVARIANT = ["model=equivariant_fsrcnn", *SMALL["equivariant_fsrcnn"]]
LEARNT = ("weights", "running_mean", "running_var")


def run(*overrides):
    return train(compose(list(overrides)))


@pytest.fixture
def trajectory(monkeypatch):
    """The weights after every step of a training, by name."""
    from lenssr.tasks.super_resolution import SuperResolution

    seen = []

    def note(self, *_):
        seen.append({name: value.detach().clone() for name, value in self.named_parameters()})

    monkeypatch.setattr(SuperResolution, "on_train_batch_end", note)
    return seen


def test_equivariant_layers_are_averaged(tiny, trajectory):
    result = run(*EQUIVARIANT, "callbacks=ema", "callbacks.ema.decay=0.5", *tiny)
    averaged = trajectory[0]
    for after, step in enumerate(trajectory[1:], start=1):
        decay = min(0.5, (1 + after) / (10 + after))
        averaged = {name: decay * averaged[name] + (1 - decay) * value for name, value in step.items()}
    kept = weights(result.folder)
    for name, value in averaged.items():
        assert torch.allclose(kept[name], value, atol=1e-6), name


def test_the_averaged_network_computes_with_the_averaged_weights(tiny):
    """The stored kernels, the loaded network's, and those expanded from the stored weights are the same."""
    result = run(*EQUIVARIANT, "callbacks=ema", "callbacks.ema.decay=0.5", *tiny)
    model = load_run(result.folder).eval()
    lr = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        evaluated = model(lr)
        layers = [part for part in model.modules() if hasattr(part, "expand_parameters")]
        assert layers
        for layer in layers:
            assert torch.equal(layer.filter, layer.expand_parameters()[0])
        turned = torch.rot90(model(torch.rot90(lr, 1, (-2, -1))), -1, (-2, -1))
    assert torch.allclose(evaluated, turned, atol=1e-4)


def test_no_average_is_the_plain_network(tiny):
    """With a decay of zero the average is the last step's weights: scores and weights are those without it."""
    plain, averaged = run(*EQUIVARIANT, *tiny), run(*EQUIVARIANT, "callbacks=ema", "callbacks.ema.decay=0.0", *tiny)
    one, two = weights(plain.folder), weights(averaged.folder)
    for name in one:
        if name.endswith(LEARNT):
            assert torch.equal(one[name], two[name]), name
    assert plain.metrics["scores"] == averaged.metrics["scores"]
    assert plain.metrics["objective"] == averaged.metrics["objective"]


def test_many_tensors_at_once_are_averaged_as_one_by_one():
    from lenssr.callbacks.ema import _Average

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(2, 2))
    average = _Average(model, 0.5, torch.device("cpu"))
    wanted = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(5):
        with torch.no_grad():
            for value in model.state_dict().values():
                value.add_(1 if value.dtype == torch.int64 else torch.randn_like(value))
        decay = min(0.5, (1 + step) / (10 + step)) if step else 0.0
        for name, value in model.state_dict().items():
            wanted[name] = value.clone() if value.dtype == torch.int64 else torch.lerp(wanted[name], value, 1 - decay)
        average.update_parameters(model)
    for name, value in average.module.state_dict().items():
        assert torch.equal(value, wanted[name]), name
    assert int(average.n_averaged) == 5
