"""The shipped networks, small enough to build at every scale in seconds."""

from lenssr.config.compose import compose, plain
from lenssr.runs.build import build_model

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
    "rdn_unshuffle": ["model.features=4", "model.growth=4", "model.blocks=2"],
    "rcan_unshuffle": ["model.features=4", "model.reduction=2", "model.blocks=1"],
    "srresnet_unshuffle": ["model.features=4", "model.blocks=2"],
    "edsr_unshuffle": ["model.features=4", "model.blocks=2"],
    "unet_sr": ["model.widths=[4,8,8]", "model.blocks=[1,1,1]"],
    "unet_sky": ["model.widths=[4,8,8]", "model.blocks=[1,1,1]"],
    "swinir": ["model.features=8", "model.heads=2", "model.depths=[2]", "model.window=4"],
    "safmn": ["model.features=8", "model.blocks=1"],
    "bilinear": [],
    "bicubic": [],
}


def shipped(name, *overrides):
    return build_model(plain(compose([f"model={name}", *overrides])))
