"""Losses against their formulas."""

import pytest
import torch
from lenssr.losses import MSE, ContentLoss
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
    assert float(terms["loss"]) == pytest.approx(float(0.25 * content + 0.75 * pixel), rel=1e-5)


def test_content_loss_trains_the_image_and_not_the_autoencoder(images):
    prediction, batch = images
    loss = ContentLoss(1.0, "reconstruction", lambda: AAE(20, latent=6, channels=[8, 8, 8], discriminator_width=4))
    loss.prepare()
    loss(prediction, batch)["loss"].backward()
    assert prediction.grad.abs().sum() > 0
    assert all(not p.requires_grad for p in loss._autoencoder[0].parameters())
    assert not list(loss.parameters())  # nothing for the optimizer or the checkpoint
