"""The shipped set reproduces the 2023 report: 24.78 dB for bilinear interpolation, under a ceiling of 30.4 dB."""

import pytest

from lenssr.config.compose import compose, plain
from lenssr.metrics.evaluation import evaluate
from lenssr.runs.build import build_data, build_task


def table(folder, count):
    """Return the mean scores of bilinear interpolation and of the noise-free images on Model I's test split."""
    config = plain(
        compose(
            ["model=bilinear", f"scale.dataset={{train: 3, validation: 1, test: {count}}}", f"paths.outputs={folder}"]
        )
    )
    task, data = build_task(config), build_data(config)
    found = evaluate(task.predict, data.evaluation("test"), count, ("ceiling",), "calibration", 0.05)
    assert len(found.per_image) == count
    means = {who: {score: value["mean"] for score, value in row.items()} for who, row in found.summary().items()}
    for who, row in means.items():
        print(who, *(f"{score} {value:.4g}" for score, value in row.items()))
    return means["prediction"], means["ceiling"]


def test_the_calibration_on_few_images(tmp_path):
    bilinear, ceiling = table(tmp_path, 120)
    assert ceiling["report/psnr"] == pytest.approx(30.4, abs=0.6)
    assert ceiling["report/ssim_original"] == pytest.approx(0.555, abs=0.06)
    assert bilinear["report/psnr"] == pytest.approx(24.78, abs=0.6)
    assert bilinear["report/mse"] == pytest.approx(0.0033, abs=0.0005)
    assert ceiling["truth/mse"] == 0 < bilinear["truth/mse"]


@pytest.mark.slow
def test_the_calibration(tmp_path):
    bilinear, ceiling = table(tmp_path, 2000)
    assert 30.2 <= ceiling["report/psnr"] <= 30.6
    assert 0.53 <= ceiling["report/ssim_original"] <= 0.58
    assert bilinear["report/psnr"] == pytest.approx(24.78, abs=0.15)
    assert bilinear["report/mse"] == pytest.approx(0.0033, abs=0.0001)
