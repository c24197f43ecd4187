"""Exact symmetry of the equivariant network, its absence elsewhere, and export without e2cnn."""

import pytest
import torch
from networks import SMALL, shipped

DIHEDRAL = [(quarters, mirror) for quarters in range(4) for mirror in (False, True)]


def act(element, image):
    quarters, mirror = element
    return torch.rot90(image.flip(-1) if mirror else image, quarters, (-2, -1))


def trained_by_chance(name, *overrides):
    """A network with random weights and random batch statistics: nothing is symmetric by accident."""
    torch.manual_seed(1)
    model = shipped(name, *SMALL[name], *overrides)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for key, value in model.named_buffers():
            if "running_var" in key:
                value.uniform_(0.5, 2)
            elif "running_mean" in key:
                value.normal_()
    return model.eval().double()


def error(model, element, size=(13, 13)):
    torch.manual_seed(2)
    image = torch.rand(2, 1, *size, dtype=torch.float64)
    with torch.no_grad():
        out = model(image)
        return float((model(act(element, image)) - act(element, out)).abs().max() / out.abs().max())


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("element", DIHEDRAL)
def test_the_mended_model_is_exactly_equivariant_under_d4(element, scale):
    model = trained_by_chance("equivariant_fsrcnn", f"dataset.scale={scale}")
    for size in ((13, 13), (12, 15)):
        assert error(model, element, size) < 1e-12


@pytest.mark.parametrize(
    ("group", "kept"), [("C4", (1, False)), ("D2", (2, True)), ("C8", (3, False)), ("D1", (0, True))]
)
def test_other_groups_keep_their_own_elements(group, kept):
    model = trained_by_chance("equivariant_fsrcnn", f"model.group={group}")
    broken = {"C4": (0, True), "D2": (1, False), "C8": (0, True), "D1": (1, False)}[group]
    assert error(model, kept) < 1e-12
    assert error(model, broken) > 1e-3


@pytest.mark.parametrize("name", ["fsrcnn", "hybrid_fsrcnn"])
def test_ordinary_enlargement_breaks_the_symmetry(name):
    model = trained_by_chance(name)
    assert max(error(model, element) for element in DIHEDRAL[1:]) > 1e-3


@pytest.mark.parametrize(
    "name", ["equivariant_fsrcnn", "equivariant_fsrcnn_original", "hybrid_fsrcnn", "hybrid_fsrcnn_2"]
)
def test_export_gives_the_same_images_without_e2cnn(name):
    model = trained_by_chance(name).float()
    plain = model.exported()
    assert not any(type(module).__module__.startswith("e2cnn") for module in plain.modules())
    image = torch.rand(2, 1, 11, 9)
    with torch.no_grad():
        assert torch.allclose(plain(image), model(image), atol=1e-6)


def test_two_networks_do_not_share_kernels():
    one, two = (shipped("equivariant_fsrcnn", *SMALL["equivariant_fsrcnn"]) for _ in range(2))
    one.double()
    assert two(torch.rand(1, 1, 8, 8)).dtype == torch.float32


def test_an_unknown_group_is_named():
    from lenssr.errors import ConfigError

    with pytest.raises(ConfigError, match="group=Q4"):
        shipped("equivariant_fsrcnn", "model.group=Q4")
