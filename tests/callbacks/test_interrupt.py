"""Signals are given back, whatever a training did or did not do."""

import signal

import pytorch_lightning as pl
import torch
from torch import nn

from lenssr.callbacks.interrupt import GracefulStop


class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch, index):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def trainer(folder):
    words = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return pl.Trainer(max_steps=3, accelerator="cpu", default_root_dir=folder, callbacks=[GracefulStop()], **words)


def test_signals_are_given_back_by_a_training_and_by_one_that_was_done_before(tmp_path):
    data = torch.utils.data.DataLoader(torch.rand(12, 1), batch_size=2)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    model, first = Line(), trainer(tmp_path)
    first.fit(model, data)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    first.save_checkpoint(tmp_path / "done.ckpt")
    trainer(tmp_path).fit(model, data, ckpt_path=tmp_path / "done.ckpt")  # no step is left
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
