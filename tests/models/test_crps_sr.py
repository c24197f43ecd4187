"""The network that draws: how far random numbers may move an image, and what follows from them alone."""

import pytest
import torch

from lenssr.config.compose import compose, plain
from lenssr.models.crps_sr import CRPSSR
from lenssr.runs.build import build_model


def network(bound=0.5, scale=2):
    torch.manual_seed(0)
    model = CRPSSR(scale, [4, 8, 8], [1, 1, 1], latent=5, bound=bound)
    with torch.no_grad():  # as if it were trained: the last convolution and the modulation do something
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def numbers(count, shape, model, factor=1.0):
    torch.manual_seed(1)
    latent = torch.randn(len(shape[0]), count, model.latent)
    noise = torch.randn(len(shape[0]), count, model.maps, *(model.scale * side for side in shape[0].shape[-2:]))
    return factor * latent, factor * noise


def test_it_begins_at_the_interpolated_image():
    model = build_model(plain(compose(["model=crps_sr"])))
    lr = torch.rand(2, 1, 9, 8)
    wanted = torch.nn.functional.interpolate(lr, scale_factor=2, mode="bilinear")
    made = model.draws(lr, *numbers(3, (lr,), model))
    torch.testing.assert_close(made, wanted.expand(-1, 3, -1, -1))


@torch.no_grad()
def test_no_random_number_moves_an_image_further_than_the_bounds():
    """A scale of exp(z), say, would send the draws of numbers a thousand times as large to infinity."""
    model, lr = network(), torch.rand(2, 1, 9, 8)
    usual = model.draws(lr, *numbers(8, (lr,), model)).std(1).max()
    for factor in (1e1, 1e3, 1e6):
        extreme = model.draws(lr, *numbers(8, (lr,), model, factor))
        assert torch.isfinite(extreme).all()
        assert float(extreme.std(1).max()) < 20 * float(usual)
    block = model.trunk.middle[0]
    told = model.lift(1e6 * torch.randn(64, model.latent))
    assert float((0.5 * torch.tanh(block.told(told))).abs().max()) <= block.bound


@torch.no_grad()
@pytest.mark.parametrize("shape", [(9, 8), (13, 11)])
def test_each_draw_is_what_the_network_makes_of_its_numbers_alone(shape):
    """The way down is shared among draws and the way up is not; images of any size."""
    model, lr = network().double(), torch.rand(2, 1, *shape).double()
    latent, noise = (x.double() for x in numbers(3, (lr,), model))
    together = model.draws(lr, latent, noise)
    assert together.shape == (2, 3, 2 * shape[0], 2 * shape[1])
    for k in range(3):
        torch.testing.assert_close(together[:, k : k + 1], model(lr, latent[:, k], noise[:, k]))


@torch.no_grad()
def test_the_latent_numbers_move_the_whole_image_and_a_map_of_noise_a_part():
    model, lr = network(), torch.rand(1, 1, 32, 32)
    latent, noise = numbers(1, (lr,), model)
    before = model.draws(lr, latent, noise)
    elsewhere = noise.clone()
    elsewhere[:, :, 0, :4, :4] += 1.0  # of the finest map, in a corner
    changed = (model.draws(lr, latent, elsewhere) - before).abs()[0, 0]
    assert float(changed[:8, :8].max()) > 1e-4
    assert float(changed[16:, 16:].max()) == 0
    changed = (model.draws(lr, latent + 1, noise) - before).abs()[0, 0]
    assert float(changed.min()) >= 0 and float((changed > 1e-5).float().mean()) > 0.9


def test_draws_of_the_wrong_width_are_calibrated_by_brightness():
    """Targets N(c, (0.1 + c)^2) about centres c; draws twice as wide where it is dark, half as wide where bright."""
    model, generator = network(), torch.Generator().manual_seed(0)
    centre = torch.rand(300, 1, 1, 1, generator=generator).expand(-1, 1, 16, 16)

    def about(count, wrong=1.0):
        return centre + wrong * (0.1 + centre) * torch.randn(300, count, 16, 16, generator=generator)

    wrong = torch.where(centre < 0.5, 2.0, 0.5)
    draws, target = about(16, wrong), about(1)
    before = float(model.calibrated(draws, centre).sub(draws).abs().max())
    assert before < 1e-6  # a network that was not calibrated changes nothing
    model.calibrate(draws, centre, target)
    fresh = model.calibrated(about(16, wrong), centre)
    for dark in (True, False):
        where = ((centre < 0.2) if dark else (centre > 0.75)).expand_as(fresh)
        ratio = ((fresh - centre)[where].square().mean() / (about(16) - centre)[where].square().mean()).sqrt()
        assert float(ratio) == pytest.approx(1, abs=0.05), dark


@pytest.mark.parametrize("wrong", [{"latent": 0}, {"bound": 1.0}, {"widths": [4] * 5, "blocks": [1] * 5}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="bound="):
        CRPSSR(**{"scale": 2, "widths": [4, 8], "blocks": [1, 1], "latent": 5, "bound": 0.5, **wrong})
