"""Scores that several processes share: the table of all images, each once, in order."""

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing

from lenssr.data.batches import EvaluationBatches
from lenssr.errors import ConfigError
from lenssr.metrics.per_image import collection, means, table
from lenssr.metrics.protocols import protocol_scores
from lenssr.system.processes import share


class Reader:
    """A split of images whose pixels follow from their number."""

    device, image_size = torch.device("cpu"), 12

    def __init__(self, count):
        self.images = range(count)

    def read(self, where):
        index = where.index
        images = [torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(int(i))) for i in index]
        lr, hr = torch.stack(images).unbind(1)
        return {"lr": lr, "hr": hr, "index": index}


def scored(count, batch_size):
    batches = EvaluationBatches(Reader(count), batch_size, None, 1, share())
    scores = collection(protocol_scores())
    for batch in batches:
        scores.update(batch["lr"], batch)
    return table({"prediction": scores}), means(scores)


def alone(rank, world, count, batch_size, folder):
    """One of several processes: writes the whole table that it ends with."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    found, _ = scored(count, batch_size)
    found.to_parquet(f"{folder}/{rank}.parquet")
    distributed.destroy_process_group()


@pytest.mark.parametrize(("count", "batch_size"), [(7, 2), (5, 8)])
def test_two_processes_end_with_the_table_of_one(tmp_path, count, batch_size):
    import pandas as pd

    multiprocessing.spawn(alone, (2, count, batch_size, str(tmp_path)), nprocs=2)
    whole, _ = scored(count, batch_size)
    assert whole["index"].tolist() == list(range(count))
    for rank in range(2):
        found = pd.read_parquet(tmp_path / f"{rank}.parquet")
        assert list(found.columns) == list(whole.columns)
        np.testing.assert_allclose(found.to_numpy(), whole.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("batch_size", [2, 3, 16])
@pytest.mark.parametrize("count", [11, 16, 31])
def test_shares_hold_each_image_once_in_as_many_batches(world, batch_size, count):
    shares = [EvaluationBatches(Reader(count), batch_size, None, 1, (rank, world)) for rank in range(world)]
    batches = [[batch["index"].tolist() for batch in shared] for shared in shares]
    assert [i for shared in batches for index in shared for i in index] == list(range(count))
    assert {len(shared) for shared in batches} == {len(shares[0])}
    assert all(1 <= len(index) <= batch_size for shared in batches for index in shared)


def test_fewer_images_than_devices_are_refused():
    with pytest.raises(ConfigError, match="fewer devices"):
        EvaluationBatches(Reader(2), 4, None, 1, (0, 3))


def test_means_are_those_of_the_table():
    found, average = scored(7, 3)
    for name, value in average.items():
        assert float(value) == pytest.approx(found[f"prediction/{name}"].mean(), rel=1e-6)


def test_a_score_without_meaning_is_left_out():
    """No truth is known here, so that its protocol has no column."""
    found, _ = scored(3, 2)
    assert not [column for column in found if "truth" in column]
    assert "prediction/report/psnr" in found
