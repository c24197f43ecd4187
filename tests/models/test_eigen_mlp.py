"""Numbers from components along eigen-images: which directions are found, and that nothing else is seen."""

import pytest
import torch

from lenssr.models.eigen_mlp import EigenMLP


@pytest.fixture
def seen():
    """Return images within a known plane, and a network that looked at them."""
    torch.manual_seed(0)
    plane = torch.linalg.qr(torch.randn(64, 2))[0]
    images = (3.0 + torch.randn(200, 2) @ plane.T).view(200, 1, 8, 8)
    model = EigenMLP(1, 8, 2, width=16, blocks=1, predict_variance=True)
    model.look(images, 0.1)
    return plane, images, model


def test_the_eigen_images_span_what_the_images_vary_in(seen):
    plane, images, model = seen
    numpy = torch.linalg.svd(images.flatten(1) - images.flatten(1).mean(0), full_matrices=False)
    known = numpy.Vh[:2].T
    assert torch.allclose(model.basis @ model.basis.T, known @ known.T, atol=1e-5)
    assert torch.allclose(model.basis @ model.basis.T, plane @ plane.T, atol=1e-5)
    assert float(model.noise) == pytest.approx(0.1)


def test_what_lies_beside_them_changes_no_number(seen):
    plane, images, model = seen
    beside = torch.randn(64)
    beside -= plane @ (plane.T @ beside)
    (mean, told), (same, also) = model(images[:4]), model(images[:4] + beside.view(8, 8))
    assert torch.allclose(mean, same, atol=1e-4) and torch.allclose(told, also, atol=1e-4)
    assert not torch.allclose(mean, model(images[:4] + plane[:, 0].view(8, 8))[0], atol=1e-3)


def test_noise_that_is_in_the_images_is_found():
    torch.manual_seed(0)
    model = EigenMLP(1, 8, 3, width=8, blocks=1, predict_variance=False)
    model.look(5 * torch.randn(500, 1, 1, 1) * torch.rand(1, 1, 8, 8) + 0.2 * torch.randn(500, 1, 8, 8), 0.0)
    assert float(model.noise) == pytest.approx(0.2, rel=0.1)


def test_fewer_images_than_components_leave_the_rest_dark():
    model = EigenMLP(1, 8, 20, width=8, blocks=1, predict_variance=False)
    model.look(torch.rand(5, 1, 8, 8), 0.0)
    assert int((model.basis.abs().sum(0) > 0).sum()) == 5 and torch.isfinite(model(torch.rand(2, 1, 8, 8))[0]).all()


def test_images_of_another_size_are_refused(seen):
    with pytest.raises(ValueError, match="eigen-images have 8"):
        seen[2](torch.rand(1, 1, 9, 9))
    with pytest.raises(ValueError, match="components=65"):
        EigenMLP(1, 8, 65, 8, 1, False)
