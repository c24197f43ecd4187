"""Every step of a run on a device that is not the CPU, with the CPU's numbers; run by test_other_device.py.

Not collected by itself: it registers a device, which changes the whole process.
"""

import pytest
import pytorch_lightning as pl
import torch
from helpers import weights
from made import entry_pairs, galaxies, write_files
from networks import SMALL
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.strategies import SingleDeviceStrategy
from standin import DEVICE, Standin, there, waits
from tiny import TINY, TINY_DIFFUSION, TINY_EIGEN, TINY_FINDER, TINY_LABELS, TINY_RDN, TINY_SCORED

from lenssr.config.compose import compose, plain
from lenssr.models.aae import AAE
from lenssr.runs import build, devices
from lenssr.runs.build import build_data, build_task

FILTERS = ("bilinear", "bicubic")
FLOW = ["model=diffusion", *TINY_DIFFUSION, "task.residual=false", "model.widths=[8,8]", "dataset=model4"]
TASKS = {name: [f"model={name}", *TINY, *small] for name, small in SMALL.items() if name not in FILTERS}
TASKS |= {
    "aae": ["model=aae", *TINY, "model.latent=8"],
    "resnet18": ["model=resnet18", *TINY_LABELS, "model.predict_variance=true"],
    "resnet18_classifier": ["model=resnet18_classifier", *TINY_LABELS],
    "eigen": ["model=eigen_mlp", *TINY_EIGEN, "task.fresh=noise"],  # images without end are made as sets are
    "lens_finder": ["model=lens_finder", "dataset=lens_finding", *TINY_FINDER],
    "flow": FLOW,
    "epsilon": [*FLOW, "task.prediction=epsilon", "task.sampler=dpm"],
    "scored": ["model=crps_sr", *TINY_SCORED],
    "uncertain": ["model=rdn", *TINY, *TINY_RDN, "model.predict_variance=true"],
}
RDN = ["model=rdn", *TINY, *TINY_RDN]
LOSSES = ["l1", "charbonnier", "chi2", "combined", "mse_aae"]
DATA = {
    "model1": RDN,
    "corrected": [*RDN, "physics=corrected"],
    "resident": [*RDN, "loader.resident=true"],
    "not resident": [*RDN, "loader.resident=false"],
    "turned": [*RDN, "loader.flips=true", "loader.rotations=true"],
    "fixed": [*RDN, "dataset.noise=fixed"],
    "minmax": [*RDN, "dataset.normalization=per_image_minmax", "dataset.target=truth"],
    "model2": [*RDN, "dataset=model2"],
    "model4": [*RDN, "dataset=model4", "loader.patch=48"],
    "survey": [*RDN, "dataset=survey", "task.data.classes=[no_sub]"],
    "labels": TASKS["resnet18"],
    "exposed": TASKS["eigen"],
    "folder": [*RDN, "dataset=folder"],
    "deeplense_pairs": [*RDN, "dataset=deeplense_pairs", "dataset.source.validation=0.2", "dataset.source.test=0.3"],
    "real_pairs": [*RDN, "dataset=real_pairs", "dataset.shots=2", "dataset.source.pixel_scale=0.05"],
}
NEAR = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Return the override of one outputs folder for all, whose sets are made on the CPU."""
    return f"paths.outputs={tmp_path_factory.mktemp('standin')}"


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    write_files(root / "folder")
    galaxies(root / "real_pairs", size=50)
    entry_pairs(root / "deeplense_pairs", range(1, 17))
    return root


def built(overrides, device):
    """Return task and data of a configuration on a device."""
    config = plain(compose(overrides))
    data, task = build_data(config), build_task(config)
    _ = (data.sets, data.labels and data.rendered)  # made on the CPU, once
    data.device = lambda: device
    if config["loss"]["name"] == "mse_aae":
        made = AAE(32, 8, [4, 4, 4], 8)
        made.load_state_dict({name: value.detach().sin() for name, value in made.state_dict().items()})
        torch.manual_seed(0)
        task.loss._load = lambda: made
    task.prepare(data)
    return task.to(device), data


def step(overrides, device):
    """Return a batch, the loss and the gradients on a device, on the CPU; and what waited for it."""
    torch.manual_seed(0)
    task, data = built(overrides, device)
    loader = data.train_dataloader()
    loader.batch(0)  # what is sent to the device once is there
    with waits() as making:
        batch = loader.batch(1)
    task.objective(batch)  # likewise
    with waits() as learning:
        loss = task.objective(batch)["loss"]
        loss.backward()
    grads = [p.grad.norm() for p in task.parameters() if p.grad is not None]
    return [*(value.cpu() for value in batch.values()), loss.detach().cpu(), torch.stack(grads).cpu()], making, learning


def same(found, wanted, **near):
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, **(near or NEAR))


def test_the_device_refuses_and_counts():
    with there(), waits() as found:
        here = torch.ones(3, device=DEVICE)
        assert isinstance(here, Standin) and here.device == DEVICE
        with pytest.raises(RuntimeError, match="two devices"):
            here + torch.ones(3)
        with pytest.raises(RuntimeError, match="two devices"):
            torch.empty(3, device=DEVICE).normal_(generator=torch.Generator())
        assert not found
        assert float(here.sum()) == 3 and here.cpu().tolist() == [1, 1, 1] and here[here > 0].shape == (3,)
    assert len(found) == 3  # a number, a copy, a mask


@pytest.mark.parametrize("name", TASKS)
def test_a_step_of_every_model_and_task(name, place):
    wanted, *_ = step([*TASKS[name], place], torch.device("cpu"))
    with there():
        found, making, learning = step([*TASKS[name], place], DEVICE)
    same(found, wanted, rtol=2e-5, atol=2e-6)
    assert not making and not learning, (making, learning)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name, place):
    overrides = [*RDN, f"loss={name}", place]
    wanted, *_ = step(overrides, torch.device("cpu"))
    with there():
        found, _, learning = step(overrides, DEVICE)
    same(found, wanted)
    assert not learning


@pytest.mark.parametrize("name", DATA)
def test_a_batch_of_every_kind_is_made_without_waiting(name, place, files):
    root = [f"dataset.source.root={files / name}"] if (files / name).is_dir() else []
    wanted, *_ = step([*DATA[name], *root, place], torch.device("cpu"))
    with there():
        found, making, _ = step([*DATA[name], *root, place], DEVICE)
    same(found, wanted)
    assert not making, f"{len(making)} waits: {sorted(set(making))}"


@pytest.mark.parametrize("overrides", [RDN, [*RDN, "physics=corrected"], FLOW], ids=["model1", "corrected", "model4"])
def test_the_sky_is_simulated_on_the_device(overrides, place):
    from lenssr.data.sets.simulated import simulate
    from lenssr.data.sky.galaxies import galaxies as make_galaxies
    from lenssr.data.sky.parameters import sample

    source = build_data(plain(compose([*overrides, place]))).source
    chosen = make_galaxies(**source._galaxies) if source._galaxies else None
    table = sample(source.physics, source.exposure_time, source.classes, 0, "test", 3, source.scene)
    wanted = list(simulate(table, source.instrument, chunk=1, galaxies=chosen))
    with there():
        found = list(simulate(table, source.instrument, DEVICE, chunk=1, galaxies=chosen))
    for one, other in zip(found, wanted, strict=True):
        assert abs(one - other).max() <= 1e-5 * abs(other).max()


@pytest.mark.parametrize("sampler", ["flow_heun", "flow_euler", "flow_dpm", "ddim", "dpm"])
def test_draws_of_every_sampler(sampler, place):
    kind = "flow" if sampler.startswith("flow") else "epsilon"
    evaluations = 4 if sampler == "ddim" else 5
    words = [*FLOW, f"task.prediction={kind}", f"task.sampler={sampler}", f"task.evaluations={evaluations}", place]

    def draws(device):
        task, data = built(words, device)
        return task.eval().posterior(next(iter(data.val_dataloader()))).cpu()

    wanted = draws(torch.device("cpu"))
    with there():
        found = draws(DEVICE)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["rdn", "uncertain", "aae", "resnet18", "resnet18_classifier", "flow"])
def test_the_scores_of_every_task(name, place):
    def scores(device):
        torch.manual_seed(0)
        task, data = built([*TASKS[name], place], device)
        return task.eval().examine(data, device, "test").per_image

    wanted = scores(torch.device("cpu"))
    with there():
        found = scores(DEVICE)
    assert list(found) == list(wanted)
    for column in found.select_dtypes("number"):
        one, other = found[column].to_numpy(), wanted[column].to_numpy()
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4, nan_ok=True), column


class Elsewhere(CPUAccelerator):
    """The device, for Lightning."""

    def setup_device(self, device):
        pass


class Counted(pl.Callback):
    """Counts what waits in each step, between the asking for its batch and the end of its callbacks."""

    def __init__(self, found):
        self.found, self.before = found, 0

    def on_train_batch_end(self, *_):
        import standin

        self.found.append(standin._waited[self.before :])

    def on_train_batch_start(self, *_):
        import standin

        self.before = len(standin._waited)


def trained(overrides, monkeypatch, found=None):
    """Train through the same door as a user, on the device where ``found`` shall fill with the waits of each step."""
    from lenssr.train import train

    with monkeypatch.context() as patch:
        if found is None:
            return train(compose(overrides))
        made = devices.trainer_arguments

        def arguments(config, task):
            strategy = SingleDeviceStrategy(DEVICE, accelerator=Elsewhere())
            return made(config, task) | {"accelerator": "auto", "strategy": strategy}

        patch.setattr("lenssr.runs.build.trainer_arguments", arguments)
        counted = build.build_trainer

        def trainer(config, run, task, more=()):
            return counted(config, run, task, [*more, Counted(found)])

        patch.setattr("lenssr.runs.execute.build_trainer", trainer)
        with there():
            return train(compose(overrides))


LOOPS = {
    "rdn": [*RDN, "callbacks=ema", "optimizer=muon"],
    "equivariant": [*TASKS["equivariant_fsrcnn"], "callbacks=ema", "optimizer=adam"],
    "aae": TASKS["aae"],
    "flow": [*FLOW, "task.draws=2"],
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_whole_run(name, tmp_path, monkeypatch):
    """Training, validation, checkpoints and test; the weights are the CPU's, and a step waits for little."""
    words = [*LOOPS[name], "trainer.max_steps=6", "trainer.validations=1", "trainer.log_every_n_steps=3"]
    monkeypatch.setattr("lenssr.train._pictures", lambda *_: [])
    found = []
    one = trained([*words, f"paths.outputs={tmp_path / 'cpu'}"], monkeypatch)
    other = trained([*words, f"paths.outputs={tmp_path / 'device'}"], monkeypatch, found)
    assert len(found) == 6 and one.hash == other.hash
    quiet = found[1:]  # the first sends what stays there
    assert all(len(step) <= 3 for step in quiet), next(step for step in quiet if len(step) > 3)
    theirs = weights(one.folder)
    for key, value in weights(other.folder).items():
        torch.testing.assert_close(value, theirs[key], rtol=1e-2, atol=2e-3)  # Adam makes much of small gradients
