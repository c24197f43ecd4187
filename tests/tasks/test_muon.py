"""Muon: against torch's own on matrices, against the singular value decomposition, and who gets which rule."""

import pytest
import torch
from networks import SMALL, shipped
from torch import nn

from lenssr.errors import ConfigError
from lenssr.tasks.muon import Muon, is_matrix, orthogonalised
from lenssr.tasks.optimization import configure

CONFIG = {"_target_": "lenssr.tasks.muon.Muon", "_partial_": True, "name": "muon", "lr": 5e-3, "adam": 0.4}


def descend(parameters, optimizer, steps=5):
    """A few steps on a loss with a gradient everywhere, the same for every copy of the parameters."""
    generator = torch.Generator().manual_seed(0)
    goals = [torch.randn(p.shape, generator=generator) for p in parameters]
    for _ in range(steps):
        optimizer.zero_grad()
        torch.stack([(p - goal).square().sum() for p, goal in zip(parameters, goals, strict=True)]).sum().backward()
        optimizer.step()
    return [p.detach() for p in parameters]


def copies(*shapes):
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (16, 16)])
def test_matrices_move_as_torchs_muon_moves_them(shape):
    ours, theirs = copies(shape), copies(shape)
    reference = torch.optim.Muon(theirs, lr=5e-3, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    descend(theirs, reference)
    descend(ours, Muon(ours, lr=5e-3))
    assert torch.allclose(ours[0], theirs[0], atol=1e-6)


def test_a_convolution_moves_as_the_matrix_that_it_is():
    weight, matrix = copies((8, 4, 3, 3)), copies((8, 4, 3, 3))
    matrix = [nn.Parameter(matrix[0].detach().flatten(1))]
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(8, 4, 3, 3, generator=generator)
    weight[0].grad, matrix[0].grad = gradient, gradient.flatten(1)
    Muon(weight, lr=5e-3).step()
    Muon(matrix, lr=5e-3).step()
    assert torch.equal(weight[0].flatten(1), matrix[0])


def test_the_rest_moves_as_adam_moves_it():
    ours, theirs = copies((7,), (1, 3, 3, 3), ()), copies((7,), (1, 3, 3, 3), ())
    descend(theirs, torch.optim.Adam(theirs, lr=2e-3))
    descend(ours, Muon(ours, lr=5e-3, adam=0.4))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_orthogonalised_is_nearly_the_polar_factor():
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(2))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalised(matrix).float()
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    assert torch.linalg.matrix_norm((u @ v) - found, 2) < 0.4
    assert torch.allclose(orthogonalised(100 * matrix).float(), found, atol=0.02)


def test_every_network_has_a_learning_rate_for_each_of_its_weights():
    for name in ("rdn", "unet_sr", "fsrcnn", "equivariant_fsrcnn"):
        parameters = [*shipped(name, *SMALL[name]).parameters()]
        made = configure(parameters, {**CONFIG, "schedule": "constant"}, 10)
        grouped = [p for group in made.param_groups for p in group["params"]]
        assert {id(p) for p in grouped} == {id(p) for p in parameters} and len(grouped) == len(parameters)
        for group in made.param_groups:
            assert group["lr"] == pytest.approx(5e-3 if group["matrices"] else 2e-3)
            assert all(is_matrix(p) == group["matrices"] for p in group["params"])


def test_the_schedule_moves_both_learning_rates_alike():
    weights = copies((4, 4), (4,))
    made = configure(weights, {**CONFIG, "schedule": "one_cycle", "warmup": 0.3, "cycle": 1.0}, 10)
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    seen = []
    for _ in range(9):
        descend(weights, optimizer, steps=1)
        scheduler.step()
        seen.append([group["lr"] for group in optimizer.param_groups])
    assert max(lr for lr, _ in seen) == pytest.approx(5e-3, rel=0.02) and seen[-1][0] < 1e-5
    assert all(rest == pytest.approx(0.4 * lr) for lr, rest in seen)


def test_its_state_survives_a_file_bit_for_bit(tmp_path):
    whole, parted = copies((6, 5), (5,)), copies((6, 5), (5,))
    descend(whole, Muon(whole, lr=5e-3), steps=6)
    first = Muon(parted, lr=5e-3)
    descend(parted, first, steps=3)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = Muon(parted, lr=1.0)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    descend(parted, second, steps=3)
    assert all(torch.equal(a, b) for a, b in zip(whole, parted, strict=True))


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"adam": 0.0}, {"momentum": 1.0}, {"betas": [0.9, 1.0]}, {"beta": 1}])
def test_a_number_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match="optimizer"):
        configure(copies((3, 3)), {**CONFIG, **wrong, "schedule": "constant"}, 10)
