"""Every architecture can learn: eight images by heart, from their noisy LR images to the noise-free truth."""

import pytest

from lenssr.config.compose import compose
from lenssr.config.groups import CONFIGS
from lenssr.evaluate import evaluate
from lenssr.train import train

LEARNED = sorted(p.stem for p in CONFIGS.glob("model/*.yaml") if "super_resolution" in p.read_text())
LEARNED.remove("spandrel")  # an extra
RECIPE = [
    "loss=mse", "dataset.target=truth", "dataset.noise=fixed", "dataset.image_size=32",
    "dataset.source.pixel_scale=0.2", "scale.dataset={train: 8, validation: 8, test: 8}",
    "loader.patch=32", "loader.batch_size=8", "trainer.validations=1", "optimizer.lr=2e-3",
]  # fmt: skip
# 29 to 32 dB after 300
STEPS = {"hybrid_fsrcnn": 1000, "safmn": 1000, "swinir": 1000, "equivariant_fsrcnn_original": 1000}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_eight_images_are_learnt_by_heart(name, outputs):
    result = train(compose([f"model={name}", f"trainer.max_steps={STEPS.get(name, 300)}", *RECIPE, outputs]))
    learnt = evaluate(result.folder, split="train").metrics["scores"]["prediction"]["truth/psnr"]["mean"]
    print(f"{name}: {learnt:.1f} dB on the eight images")
    assert learnt > 35
