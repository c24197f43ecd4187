"""Losses against their formulas."""

import pytest
import torch

from lenssr.errors import ConfigError
from lenssr.losses.combined import Combined
from lenssr.losses.content import ContentLoss
from lenssr.losses.pixel import L1, MSE, Charbonnier, ChiSquared
from lenssr.models.aae import AAE


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(4, 1, 20, 20, requires_grad=True), {"target": torch.rand(4, 1, 20, 20)}


def test_mse_is_the_mean_of_squares(images):
    prediction, batch = images
    expected = ((prediction - batch["target"]) ** 2).sum() / prediction.numel()
    assert float(MSE()(prediction, batch)["loss"].detach()) == pytest.approx(float(expected.detach()))


@pytest.mark.parametrize("compare", ["reconstruction", "feature"])
def test_content_loss_mixes_two_errors(images, compare):
    prediction, batch = images
    model = AAE(20, latent=6, channels=[2, 2, 2], discriminator_width=4)
    loss = ContentLoss(0.25, compare, lambda: model)
    loss.prepare()
    terms = loss(prediction, batch)
    see = {"reconstruction": lambda x: model.decoder(model.encoder(x)), "feature": model.encoder}[compare]
    content = ((see(prediction) - see(batch["target"])) ** 2).mean()
    pixel = ((prediction - batch["target"]) ** 2).mean()
    assert float(terms["loss"].detach()) == pytest.approx(float((0.25 * content + 0.75 * pixel).detach()), rel=1e-5)


def test_content_loss_trains_the_image_and_not_the_autoencoder(images):
    prediction, batch = images
    loss = ContentLoss(1.0, "reconstruction", lambda: AAE(20, latent=6, channels=[8, 8, 8], discriminator_width=4))
    loss.prepare()
    loss(prediction, batch)["loss"].backward()
    assert prediction.grad.abs().sum() > 0
    assert all(not p.requires_grad for p in loss._autoencoder[0].parameters())
    assert not list(loss.parameters())  # nothing for the optimizer or the checkpoint


def test_charbonnier_lies_between_l1_and_l1_plus_epsilon(images):
    prediction, batch = images
    l1 = float((prediction - batch["target"]).abs().mean().detach())
    value = float(Charbonnier(0.01)(prediction, batch)["loss"].detach())
    assert l1 < value < l1 + 0.01
    assert float(L1()(prediction, batch)["loss"].detach()) == pytest.approx(l1)


def test_chi_squared_of_the_truth_is_one(tiny):
    """Against the observed image the expectation has a reduced chi-squared of 1: the noise model is right."""
    from lenssr.config.compose import compose, plain
    from lenssr.runs.build import build_data

    data = build_data(plain(compose(["model=rdn", *tiny, "scale.dataset={train: 3, validation: 3, test: 90}"])))
    values = [float(ChiSquared()(batch["truth"], batch)["loss"]) for batch in data.evaluation("test")]
    assert sum(values) / len(values) == pytest.approx(1.0, abs=0.015)


def test_chi_squared_needs_a_noise_model(images):
    with pytest.raises(ConfigError, match="use loss=mse"):
        ChiSquared()(*images)


def test_combined_losses_add_up(images):
    prediction, batch = images
    loss = Combined({"a": {"weight": 2.0, "loss": MSE()}, "b": {"weight": 0.5, "loss": L1()}, "c": None})
    d = (prediction - batch["target"]).detach()
    expected = 2 * d.square().mean() + 0.5 * d.abs().mean()
    assert float(loss(prediction, batch)["loss"].detach()) == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(ValueError, match="terms is empty"):
        Combined({"a": None})
