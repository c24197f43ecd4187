"""The safe door of a loaded network: any array of flux in, the same kind out, nothing of another scale in silence."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from tiny import TINY, TINY_RDN

import lenssr
from lenssr.config.compose import compose
from lenssr.errors import DataError, RunError
from lenssr.runs.build import build_data
from lenssr.runs.load import load_run, read_config
from lenssr.sharing import export
from lenssr.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(compose(["model=rdn", *TINY, *TINY_RDN, f"paths.outputs={tmp_path_factory.mktemp('p')}"])).folder


@pytest.fixture(scope="module")
def seen(run):
    """Return LR images of the test, flux per LR pixel, float64 (B, h, w)."""
    data = build_data(read_config(run))
    batch = next(iter(data.evaluation("test", torch.device("cpu"))))
    return batch["lr"][:, 0].double().numpy() * data.unit * 4


@pytest.mark.parametrize("shape", [(24, 24), (3, 24, 24), (3, 1, 24, 24)])
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", ">f4", torch.float64, torch.bfloat16])
def test_any_float_and_any_shape_gives_the_same_kind(run, seen, shape, kind):
    model = lenssr.load_run(run)
    images = seen[: shape[0]] if len(shape) > 2 else seen[0]
    numpy = isinstance(kind, str)
    given = images.reshape(shape).astype(kind) if numpy else torch.from_numpy(images.reshape(shape)).to(kind)
    given.requires_grad_() if kind is torch.float64 else None
    found = model.predict(given)
    assert type(found) is type(given) and found.shape == (*shape[:-2], 48, 48)
    assert found.dtype == (np.dtype(kind).newbyteorder("=") if numpy else kind)
    assert numpy or not found.requires_grad
    with torch.no_grad():
        bare = model(torch.from_numpy(images.reshape(-1, 1, 24, 24)).float() / 4 / model.unit) * model.unit
    loose = 0.02 if kind in ("float16", torch.bfloat16) else 1e-5
    told = np.asarray(found, np.float64) if numpy else found.double().numpy()
    assert told.reshape(bare.shape) == pytest.approx(bare.numpy(), abs=loose * float(bare.max()))


def test_loaded_either_way_it_is_the_same(run, seen, tmp_path):
    wanted = load_run(run).predict(seen)
    assert np.array_equal(lenssr.load(export(run, tmp_path / "shared", onnx=False)).predict(seen), wanted)
    model = copy.deepcopy(load_run(run))
    assert np.array_equal(model.predict(seen), wanted)
    model.train()
    model.predict(seen)
    assert model.training
    assert np.array_equal(pickle.loads(pickle.dumps(load_run(run))).predict(seen), wanted)


def test_images_of_its_own_set_pass_in_silence(run, seen):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_run(run).predict(seen)


@pytest.mark.parametrize("factor", [0.01, 0.25, 4.0, 1000.0])
def test_another_scale_is_refused(run, seen, factor):
    """Four is the slip between the flux of an LR pixel and that of one of the HR pixels that it covers."""
    model = load_run(run)
    with pytest.raises(DataError, match=r"not on the scale of the training images.*lenssr\.upscale"):
        model.predict(factor * seen[0])
    with pytest.raises(DataError, match="Image 1 is not"):
        model.predict(np.stack([seen[0], factor * seen[0]]))
    assert model.predict(factor * seen[0], check=False).shape == (48, 48)


def test_a_pedestal_is_refused_and_small_differences_are_told(run, seen):
    model = load_run(run)
    with pytest.raises(DataError, match="its sky is at"):
        model.predict(seen[0] + 10)
    with pytest.warns(UserWarning, match="its noise is .*, in training 0.102"):
        model.predict(2 * seen[0])
    with pytest.warns(UserWarning, match="negative pixels"):
        model.predict(seen[0] - np.random.default_rng(0).uniform(0, 0.3, seen[0].shape))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.ones(24), "have the shape"),
        (np.ones((2, 3, 24, 24)), "have the shape"),
        (np.ones((0, 24, 24)), "have the shape"),
        ([[1.0, 2.0]], "have the shape"),
        (np.full((24, 24), np.nan), "NaN"),
        (np.ones((24, 24), complex), "real numbers"),
        (np.full((24, 24), "a"), "real numbers"),
        (np.ma.masked_less(np.arange(576.0).reshape(24, 24), 3), "masked"),
        (np.ones((24, 24)), "everywhere"),
    ],
)
def test_what_is_no_image_is_named(run, images, words):
    with pytest.raises(DataError, match=words):
        load_run(run).predict(images)


def test_a_run_that_knows_no_flux_or_no_image_says_so(tmp_path):
    base = f"paths.outputs={tmp_path}"
    scaled = train(compose(["model=bilinear", "dataset.normalization=per_image_minmax", *TINY, base])).folder
    with pytest.raises(RunError, match=r"knows no flux: lenssr\.upscale"):
        load_run(scaled).predict(np.ones((24, 24)))
    aae = train(compose(["model=aae", "model.latent=8", *TINY, base])).folder
    with pytest.raises(RunError, match="upscales no image"):
        load_run(aae).predict(np.ones((24, 24)))
