"""A told variance against noise of a known one, and a mean that does not suffer."""

import pytest
import torch
from torch import nn

from lenssr.models.uncertain import Uncertain


class Enlarge(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, lr):
        return self.factor * nn.functional.interpolate(lr, scale_factor=2, mode="bilinear")


def made(count, generator):
    """Return smooth LR images, their enlargement and truths off by 0.02, or by 0.2 where it is bright."""
    coarse = 2 * torch.rand(count, 1, 6, 6, generator=generator)
    lr = nn.functional.interpolate(coarse, size=24, mode="bilinear")
    image = nn.functional.interpolate(lr, scale_factor=2, mode="bilinear")
    width = torch.where(image > 1.0, 0.2, 0.02)
    return lr, image, image + width * torch.randn(image.shape, generator=generator), width


def test_calibration_brings_told_errors_to_the_right_width():
    generator = torch.Generator().manual_seed(0)
    model = Uncertain(Enlarge(), 2).requires_grad_(False)
    lr, image, truth, _ = made(40, generator)
    with torch.no_grad():
        model.teller[-1].bias.fill_(5.0)  # tells 0.6 everywhere, without having learnt
    model.calibrate([(lr, image, truth)])
    lr, image, truth, width = made(40, generator)
    ratio = (truth - image) / model.sigma(lr, image)
    for bright in (True, False):
        inner = (image > 1.4) if bright else (image < 0.6)
        assert float(ratio[inner].square().mean().sqrt()) == pytest.approx(1.0, abs=0.15)
    assert float(width[image > 1.1].mean()) == pytest.approx(0.2)


def test_two_thirds_of_heavy_tailed_errors_are_within_what_is_told():
    """One error in twenty is thirty times as large: its rms is 6.8, and 68 % lie within 1.06, of the others' width."""
    generator = torch.Generator().manual_seed(2)
    model = Uncertain(Enlarge(), 2).requires_grad_(False)
    lr, image, truth, _ = made(60, generator)
    rare = torch.where(torch.rand(image.shape, generator=generator) < 0.05, 30.0, 1.0)
    truth = image + (truth - image) * rare
    model.calibrate([(lr[:30], image[:30], truth[:30])])
    within = (truth - image).abs()[30:] < model.sigma(lr[30:], image[30:])
    for some in (image[30:] > 1.4, image[30:] < 0.6):
        assert float(within[some].float().mean()) == pytest.approx(0.683, abs=0.02)


def test_it_learns_where_errors_are_large():
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    model = Uncertain(Enlarge(), 2)
    optimizer = torch.optim.Adam(model.teller.parameters(), lr=0.005)
    for _ in range(150):
        lr, image, truth, _ = made(4, generator)
        told = model.log_variance(lr, image)
        loss = 0.5 * (told + (truth - image).square() / told.exp()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    lr, image, *_ = made(8, generator)
    told = model.sigma(lr, image).detach()
    assert float(told[image > 1.1].median() / told[image < 0.9].median()) == pytest.approx(10, rel=0.4)


def test_the_image_is_the_networks_and_gets_no_gradient_from_the_likelihood():
    network = Enlarge()
    model = Uncertain(network, 2)
    lr = torch.rand(2, 1, 12, 12)
    assert torch.equal(model(lr), network(lr))
    model.log_variance(lr, model(lr)).sum().backward()
    assert network.factor.grad is None
    assert all(p.grad is not None for p in model.teller.parameters())
