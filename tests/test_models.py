"""Architectures: published sizes, any image size, every scale."""

import pytest
import torch
from lenssr.build import build_model
from lenssr.config import compose, plain
from lenssr.models.aae import AAE
from lenssr.models.rdn import RDN


def count(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def shipped(name, *overrides):
    return build_model(plain(compose([f"model={name}", *overrides])))


# counted on the 2023 report's own classes
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rcan", 709_220), ("rdn", 646_913), ("srresnet", 1_522_369), ("edsr", 1_330_625), ("fsrcnn", 13_881),
        ("hybrid_fsrcnn", 418_897), ("hybrid_fsrcnn_2", 2_472_369), ("equivariant_fsrcnn_original", 407_522),
        ("bilinear", 0), ("bicubic", 0),
    ],
)  # fmt: skip
def test_parameter_counts_are_the_reports(name, parameters):
    assert count(shipped(name)) == parameters


def test_autoencoder_parameter_counts_are_the_reports():
    model = shipped("aae", "loader.patch=150")
    parts = [count(part) for part in (model.encoder, model.decoder, model.discriminator)]
    assert parts == [5_311_336, 5_315_249, 322_305]


# small enough to build at every scale in seconds
SMALL = {
    "rcan": ["model.features=4", "model.reduction=2", "model.blocks=1"],
    "rdn": ["model.features=4", "model.growth=4", "model.blocks=2"],
    "srresnet": ["model.features=4", "model.blocks=2"],
    "edsr": ["model.features=4", "model.blocks=2"],
    "fsrcnn": [],
    "hybrid_fsrcnn": ["model.lifted=2", "model.expanded=4", "model.mappings=1"],
    "hybrid_fsrcnn_2": ["model.lifted=2", "model.expanded=4", "model.mappings=1", "model.refine=[[4,3],[1,3]]"],
    "equivariant_fsrcnn": ["model.lifted=2", "model.expanded=4", "model.mappings=1"],
    "equivariant_fsrcnn_original": ["model.lifted=2", "model.expanded=4", "model.mappings=1"],
    "bilinear": [],
    "bicubic": [],
}


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("name", SMALL)
def test_any_size_at_every_scale(name, scale):
    model = shipped(name, f"dataset.scale={scale}", *SMALL[name]).eval()
    with torch.no_grad():
        assert model(torch.rand(2, 1, 19, 14)).shape == (2, 1, 19 * scale, 14 * scale)


def test_rdn_shuffles_channels_into_the_right_places():
    """A constant through linear layers stays constant inside: no pixel of a block is special."""
    torch.manual_seed(0)
    model = RDN(2, features=4, growth=4, blocks=1, layers=1)
    with torch.no_grad():
        weight = model.upscale[0].weight
        weight.copy_(weight[:1].expand_as(weight))
        model.upscale[0].bias.zero_()
        out = model(torch.ones(1, 1, 20, 20))[0, 0, 12:-12, 12:-12]
    assert torch.allclose(out, out[0, 0].expand_as(out), atol=1e-6)


@pytest.mark.parametrize("size", [17, 32, 48, 64, 75, 128, 150, 151, 152])
def test_the_autoencoder_fits_every_size(size):
    model = AAE(size, latent=8, channels=[2, 2, 2], discriminator_width=4)
    image = torch.rand(3, 1, size, size)
    assert model(image).shape == image.shape and model.encode(image).shape == (3, 8)
    with pytest.raises(ValueError, match=f"made for {size} px"):
        model(torch.rand(1, 1, size + 1, size + 1))


def test_bilinear_interpolation_conserves_flux():
    lr = torch.zeros(1, 1, 9, 9)
    lr[..., 4, 3] = 2.0
    assert float(shipped("bilinear")(lr).sum()) == pytest.approx(2.0 * 4)  # per HR pixel: four of them to one of LR
