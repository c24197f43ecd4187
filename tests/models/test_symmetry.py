"""The symmetries of the grid, and the self-ensemble built on them."""

import itertools

import numpy as np
import torch

from lenssr.models.symmetry import ELEMENTS, act, averaged, undo


def test_the_elements_are_the_dihedral_group():
    """Eight different maps, closed under composition, numpy's turns and mirrors."""
    image = torch.rand(3, 4, dtype=torch.float64)
    square = torch.rand(4, 4)
    seen = {tuple(act(e, square).flatten().tolist()) for e in ELEMENTS}
    assert len(seen) == 8
    both = {tuple(act(a, act(b, square)).flatten().tolist()) for a, b in itertools.product(ELEMENTS, ELEMENTS)}
    assert both == seen
    for quarters, mirror in ELEMENTS:
        expected = np.rot90(image.numpy()[:, ::-1] if mirror else image.numpy(), quarters)
        assert np.array_equal(act((quarters, mirror), image).numpy(), expected)
        assert torch.equal(undo((quarters, mirror), act((quarters, mirror), image)), image)


def test_the_ensemble_of_a_skew_kernel_is_its_symmetric_part():
    """Averaging a convolution over the group averages its kernel."""
    kernel = torch.rand(1, 1, 3, 3, dtype=torch.float64)
    mean = torch.stack([act(e, kernel) for e in ELEMENTS]).mean(0)
    lr = torch.rand(2, 1, 7, 9, dtype=torch.float64)
    found = averaged(lambda x: torch.conv2d(x, kernel, padding=1), lr)
    assert torch.allclose(found, torch.conv2d(lr, mean, padding=1))
    assert not torch.allclose(found, torch.conv2d(lr, kernel, padding=1))
