"""Architectures: published sizes, any image size, every scale."""

import pytest
import torch
from networks import SMALL, shipped

from lenssr.models.aae import AAE
from lenssr.models.rdn import RDN


def count(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


# counted on the 2023 report's own classes
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rcan", 709_220), ("rdn", 646_913), ("srresnet", 1_522_369), ("edsr", 1_330_625), ("fsrcnn", 13_881),
        ("hybrid_fsrcnn", 418_897), ("hybrid_fsrcnn_2", 2_472_369), ("equivariant_fsrcnn_original", 407_522),
        ("bilinear", 0), ("bicubic", 0),
        # on squares of pixels: four channels into the first convolution, and one more doubling, or wider, at the end
        ("rdn_unshuffle", 646_913 + 3 * 9 * 32 + 32 * 128 * 9 + 128),
        ("rcan_unshuffle", 709_220 + 3 * 9 * 64 + 12 * (64 * 9 + 1)),
        ("edsr_unshuffle", 1_330_625 + 3 * 9 * 64 + 64 * 256 * 9 + 256),
        ("srresnet_unshuffle", 1_522_369 + 3 * 81 * 64 + 64 * 256 * 9 + 256 + 64),
        ("unet_sr", 503_713),
    ],
)  # fmt: skip
def test_parameter_counts_are_the_reports(name, parameters):
    assert count(shipped(name)) == parameters


@pytest.mark.parametrize(
    ("name", "published", "uncounted"),
    [
        ("swinir", 878_000, 24 * 225 * 6),  # the paper leaves the position-bias tables out
        ("safmn", 228_000, 0),
    ],
)
def test_parameter_counts_are_the_papers(name, published, uncounted):
    """The papers' networks have three colours in and out; the difference is their first and last convolution's."""
    model = shipped(name)
    features = model.head.out_channels
    colours = 2 * 9 * features + 2 * 4 * (9 * features + 1)
    assert count(model) - uncounted + colours == pytest.approx(published, abs=500)


def test_windows_of_swinir_are_cut_and_joined_as_torch_unfolds():
    from lenssr.models.swinir import _join, _split

    x = torch.rand(2, 8, 12, 3)
    windows = _split(x, 4)
    unfolded = torch.nn.functional.unfold(x.permute(0, 3, 1, 2), 4, stride=4)  # (B, C * 16, windows)
    assert torch.equal(windows.view(2, 6, 16, 3), unfolded.view(2, 3, 16, 6).permute(0, 3, 2, 1))
    assert torch.equal(_join(windows, 4, 8, 12), x)


def test_shifted_windows_do_not_see_across_the_edge():
    """Rolling joins the left and the right edge; the mask must part them again."""
    model = shipped("swinir", *SMALL["swinir"]).eval().double()
    image = torch.rand(1, 1, 24, 24, dtype=torch.float64)
    other = image.clone()
    other[..., -1] += 1  # the far edge of the input
    with torch.no_grad():
        change = (model(other) - model(image)).abs().sum(dim=(0, 1, 2))
    assert change[-2:].max() > 0
    assert change[: 2 * 8].max() == 0  # far beyond two windows and the convolutions


def test_autoencoder_parameter_counts_are_the_reports():
    model = shipped("aae", "loader.patch=150")
    parts = [count(part) for part in (model.encoder, model.decoder, model.discriminator)]
    assert parts == [5_311_336, 5_315_249, 322_305]


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


@pytest.mark.parametrize("name", ["rdn", "rcan", "edsr", "srresnet", "fsrcnn", "rdn_unshuffle"])
def test_a_skip_adds_the_interpolated_image(name):
    lr = torch.rand(2, 1, 19, 14, generator=torch.Generator().manual_seed(4))
    plain, skipping = shipped(name, *SMALL[name]), shipped(name, *SMALL[name], "model.skip=bilinear")
    skipping.load_state_dict(plain.state_dict())
    interpolated = torch.nn.functional.interpolate(lr, scale_factor=2, mode="bilinear", align_corners=False)
    with torch.no_grad():
        assert torch.allclose(skipping(lr), plain(lr) + interpolated, atol=1e-6)


def test_folded_pixels_stay_where_they_are():
    """A network on folded squares that moves with the image by a whole square, and by nothing less."""
    model = shipped("rdn_unshuffle", *SMALL["rdn_unshuffle"]).double().eval()
    lr = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    lr[..., 30:34, 28:31] = torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        background, image = model(torch.zeros_like(lr)), model(lr)
        moved = model(lr.roll((2, 4), (-2, -1)))
        light = (image - background).abs()[0, 0]
        assert torch.allclose(
            (moved - background)[..., 40:90, 40:90], (image - background).roll((4, 8), (-2, -1))[..., 40:90, 40:90]
        )
    rows, columns = torch.arange(128.0), torch.arange(128.0)
    centre = [float((light.sum(1 - axis) * grid).sum() / light.sum()) for axis, grid in enumerate((rows, columns))]
    assert centre == pytest.approx([63.5, 58.5], abs=4)  # of the light, in HR pixels


def test_the_unet_begins_as_interpolation():
    lr = torch.rand(2, 1, 19, 14, generator=torch.Generator().manual_seed(6))
    interpolated = torch.nn.functional.interpolate(lr, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(shipped("unet_sr", *SMALL["unet_sr"])(lr), interpolated, atol=1e-6)


def test_the_unet_sees_far():
    """Its lowest level: a pixel's change reaches further than the convolutions of its first level do."""
    model = shipped("unet_sr").double().eval()
    torch.nn.init.normal_(model.out.weight, generator=torch.Generator().manual_seed(7))
    lr = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    other = lr.clone()
    other[..., 32, 32] = 1
    with torch.no_grad():
        reached = ((model(other) - model(lr)).abs() > 0).any(0)[0].nonzero()
    assert int((reached - 65).abs().max()) > 30  # HR pixels


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


@pytest.mark.parametrize("name", SMALL)
def test_save_load_and_export_keep_the_images(name, tmp_path):
    """Weights into a fresh network, and torch.export's program read back from a file, at an odd size."""
    torch.manual_seed(3)
    model = shipped(name, *SMALL[name], "seed=1").eval()
    lr = torch.rand(1, 1, 61, 47)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    fresh = shipped(name, *SMALL[name], "seed=2")
    fresh.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    plain_torch = model.exported() if hasattr(model, "exported") else model
    torch.export.save(torch.export.export(plain_torch, (lr,)), tmp_path / "program.pt2")
    program = torch.export.load(tmp_path / "program.pt2").module()
    with torch.no_grad():
        images = model(lr)
        assert torch.equal(fresh.eval()(lr), images)
        assert torch.allclose(program(lr), images, atol=1e-5)
