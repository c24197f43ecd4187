"""Numbers by address: published vectors of the generator, and scipy's distributions."""

import numpy as np
import pytest
import torch
from helpers import words
from scipy import stats

from lenssr.data.camera.random import in_steps as philox_steps
from lenssr.data.camera.random import normal, philox, poisson, uniform

LAST = 2**32 - 1
EXTREMES = torch.tensor([0, 1, 2**31 - 1, 2**31, LAST - 1, LAST])


def quantile(word):
    return (word.numpy().astype(np.float64) + 0.5) / 2**32


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # Random123's known answers for philox4x32-10
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((LAST,) * 4, (LAST, LAST), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert " ".join(f"{int(word):08x}" for word in philox(counter, key)) == expected


def test_philox_gives_each_address_its_own_words_whatever_the_shape():
    rows, columns = torch.arange(5).view(-1, 1), torch.arange(7)
    grid = torch.stack(philox((rows, columns, 3, 4), (1, 2)))
    single = torch.stack([torch.stack(philox((r, c, 3, 4), (1, 2))) for r in range(5) for c in range(7)])
    assert torch.equal(grid.flatten(1).T, single)
    assert len(grid.unique()) == grid.numel()


def test_words_are_the_same_however_many_are_asked_for():
    """More than are made at once, by broadcast and one row at a time, and in the way of another device."""
    pixels, images, epoch = torch.arange(40_000).view(1, -1), torch.arange(5).view(-1, 1), torch.full((5, 1), 7)
    whole = torch.stack(philox((pixels, images, epoch, 2), (1, -2)))
    parts = [torch.stack(philox((pixels[0], int(image), 7, 2), (1, -2))) for image in images]
    assert torch.equal(whole, torch.stack(parts, dim=1))
    elsewhere = philox_steps((pixels, images, epoch, 2), (1, -2))
    assert all(torch.equal(one, other) for one, other in zip(whole, elsewhere, strict=True))


def test_uniform_is_strictly_inside_the_unit_interval():
    values = uniform(EXTREMES)
    assert values.dtype == torch.float32
    assert (values > 0).all() and (values < 1).all()
    np.testing.assert_allclose(values.numpy(), quantile(EXTREMES), rtol=1e-7)


def test_uniform_and_normal_are_scipys_quantiles():
    word = torch.cat([EXTREMES, words(100_000, 0)])
    np.testing.assert_allclose(uniform(word).numpy(), quantile(word), rtol=2e-7)
    np.testing.assert_allclose(normal(word).numpy(), stats.norm.ppf(quantile(word)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rate", [0.0, 1e-4, 0.03, 0.5, 1.0, 3.7, 8.0, 11.99])
def test_small_poisson_numbers_are_exact(rate):
    word = words(20_000, 1)
    drawn = poisson(torch.full((20_000,), rate), word).numpy()
    expected = stats.poisson.ppf(quantile(word), np.float64(np.float32(rate))) if rate else np.zeros(20_000)
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize("rate", [12.0, 13.3, 20.0, 57.0, 200.0, 1000.0])
def test_large_poisson_numbers_are_nearly_exact(rate):
    word = words(100_000, 2)
    off = np.abs(
        poisson(torch.full((100_000,), rate), word).numpy() - stats.poisson.ppf(quantile(word), np.float32(rate))
    )
    assert off.max() <= 1
    assert (off > 0).mean() < 0.005


def test_poisson_takes_a_rate_for_every_pixel():
    rate = torch.linspace(0, 1000, 50_000)
    word = words(50_000, 3)
    off = np.abs(poisson(rate, word).numpy() - stats.poisson.ppf(quantile(word), rate.double().numpy()))
    small = rate.numpy() < 12
    assert off[small].max() == 0
    assert off[~small].max() <= 1 and (off[~small] > 0).mean() < 0.005


@pytest.mark.parametrize("rate", [0.0, 1.0, 11.99])
def test_small_poisson_numbers_end(rate):
    drawn = poisson(torch.full((6,), rate), EXTREMES)
    assert (drawn >= 0).all() and (drawn < 60).all()


def test_counts_are_never_negative():
    rate = torch.arange(12.0, 60.0).view(-1, 1)
    assert (poisson(rate, torch.tensor([0, 10, 1000, 10_000])) >= 0).all()


def test_small_poisson_numbers_need_no_question_to_the_device():
    """As many steps for all as the largest number takes, bit for bit what summing until none is left gives."""
    from lenssr.data.camera import random

    rate = torch.rand(200_000, generator=torch.Generator().manual_seed(1)) * random._SUMMATION_LIMIT
    below = torch.nextafter(torch.tensor(random._SUMMATION_LIMIT), torch.tensor(0.0))
    rate[:6] = below
    rate[6:12] = 0
    word = torch.cat([EXTREMES, EXTREMES, words(199_988, 4)])
    found = random._poisson_in_steps(rate, uniform(word))
    assert torch.equal(found, random._poisson_by_summation(rate, uniform(word)))
    assert float(found.max()) == random._STEPS  # fewer steps would not do
