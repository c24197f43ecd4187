"""bf16, in which GPUs train by default: every task learns what it learns in fp32, and what must be exact is."""

import math

import pytest
import torch
from networks import SMALL
from tiny import TINY, TINY_DIFFUSION, TINY_LABELS, TINY_RDN
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lenssr.config.compose import compose, plain
from lenssr.runs.build import build_data, build_task

FLOW = ["model=diffusion", *TINY_DIFFUSION, "task.residual=false", "model.widths=[8,8]", "dataset=model4"]
TASKS = {
    "rdn": ["model=rdn", *TINY, *TINY_RDN],
    "chi2": ["model=rdn", *TINY, *TINY_RDN, "loss=chi2"],
    "uncertain": ["model=rdn", *TINY, *TINY_RDN, "model.predict_variance=true"],
    "unet_sr": ["model=unet_sr", *TINY, *SMALL["unet_sr"]],
    "swinir": ["model=swinir", *TINY, *SMALL["swinir"]],
    "equivariant": ["model=equivariant_fsrcnn", *TINY, *SMALL["equivariant_fsrcnn"]],
    "aae": ["model=aae", *TINY, "model.latent=8"],
    "regression": ["model=resnet18", *TINY_LABELS, "model.predict_variance=true"],
    "classification": ["model=resnet18_classifier", *TINY_LABELS],
    "flow": FLOW,
    "epsilon": [*FLOW, "task.prediction=epsilon", "task.sampler=dpm"],
}
STEPS, TOLERANCE = 4, 0.02  # of the loss after as many steps; bf16 keeps eight bits, 0.4 %
# transforms, linear algebra, quantiles, losses: what they are given must not have been rounded
EXACT = ("_fft", "linalg", "special_ndtri", "special_ndtr", "mse_loss", "l1_loss", "nll_loss", "_log_softmax")
EXACT += ("binary_cross_entropy", "exp.", "cumsum", "index_add", "var", "argsort", "sort")


class Watch(TorchDispatchMode):
    """Notes which of the exact operations saw a bf16 number."""

    def __init__(self):
        super().__init__()
        self.rounded, self.seen = set(), set()

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        name = str(op).removeprefix("aten.")
        kinds = {leaf.dtype for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        self.seen |= {name.split(".")[0]} if torch.bfloat16 in kinds else set()
        if name.startswith(EXACT) and torch.bfloat16 in kinds:
            self.rounded.add(name)
        return op(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return f"paths.outputs={tmp_path_factory.mktemp('bf16')}"


def learnt(overrides, half):
    """Return the loss after some steps, the scores of the validation, and what was watched."""
    torch.manual_seed(0)
    config = plain(compose(overrides))
    data, task = build_data(config), build_task(config)
    task.prepare(data)
    loader, watch = data.train_dataloader(), Watch()
    optimizer = torch.optim.SGD([p for p in task.parameters() if p.requires_grad], lr=1e-2)
    for step in range(STEPS):
        with torch.autocast("cpu", torch.bfloat16, enabled=half), watch:
            loss = task.objective(loader.batch(step))["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
    task.eval()
    with torch.autocast("cpu", torch.bfloat16, enabled=half), watch, torch.no_grad():
        final = task.objective(loader.batch(STEPS))["loss"]
        for batch in data.val_dataloader():
            task.validation_step(batch, 0)
    scores = {name: value.double().mean() for name, value in task.validated.compute().items() if name != "index"}
    return float(final), {name: float(value) for name, value in scores.items()}, watch


@pytest.mark.parametrize("name", TASKS)
def test_every_task_learns_in_bf16_what_it_learns_in_fp32(name, place):
    wanted, scores, _ = learnt([*TASKS[name], place], half=False)
    found, others, watch = learnt([*TASKS[name], place], half=True)
    assert "convolution" in watch.seen or "addmm" in watch.seen  # it did compute in bf16
    # a likelihood is a difference of terms of some three units
    assert found == pytest.approx(wanted, rel=TOLERANCE, abs=0.03 if name in ("uncertain", "regression") else 0)
    for score, value in scores.items():
        if not math.isfinite(value):  # of no images
            continue
        near = {"abs": 0.05} if "psnr" in score else {"rel": TOLERANCE}  # dB
        assert others[score] == pytest.approx(value, **near), score
    assert not watch.rounded
