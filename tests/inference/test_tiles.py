"""Parts of an image are seen as they lie in the whole."""

from pathlib import Path

import pytest
import torch
from networks import SMALL, shipped

from lenssr.inference.destinations import Folder
from lenssr.inference.tiles import tiled


@pytest.mark.parametrize("name", ["swinir", "unet_sr", "rdn_unshuffle"])
def test_tiles_are_cut_on_the_grid_of_the_network(name):
    """Windows, folded pixels and levels of a U-Net lie in a tile as they lie in the whole image."""
    model = shipped(name, *SMALL[name]).eval()
    torch.nn.init.normal_(model.out.weight if name == "unet_sr" else torch.empty(1))
    lr = torch.rand(1, 1, 93, 77, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(lr)
        (parts,) = tiled(lambda tile, number: [model(tile)], lr, 2, tile=62, margin=24, grid=model.grid)
    assert parts.shape == whole.shape and (parts - whole).abs().max() < 1e-4 * whole.abs().max()


def test_a_folder_may_have_a_dot_in_its_name():
    assert not Folder(Path("outputs/v1.2")).single and Folder(Path("outputs/lens.fits")).single
