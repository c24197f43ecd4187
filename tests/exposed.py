"""Exposures of small sets that the limits are tested on, and fits of them."""

import torch

from lenssr.limits.fit import Fitter
from lenssr.limits.lenses import Lenses
from lenssr.limits.prior import Prior


def exposure(data, index):
    batch = data.pairs("test", torch.device("cpu")).at(torch.tensor([index]))
    return batch["lr"][0, 0] * data.sets["train"].unit * data.scale**2, float(data.sets["test"].exposure_time[index])


def fits(data, tried, nodes=0, most=12):
    source, test = data.source, data.sets["test"]
    lenses = {
        name: Lenses(Prior(source.physics, name), source.instrument, data.observation.lr, data.scale, library=512)
        for name in ("no_sub", "axion")
    }
    fitter, done = Fitter(lenses, 3, [tried], nodes), 0
    for batch in data.pairs("test", torch.device("cpu")):
        for index, lr in zip(batch["index"].tolist(), batch["lr"], strict=True):
            if test.parameters["class"][index] == tried and done < most:
                done += 1
                row = test.parameters.iloc[[index]].select_dtypes("number")
                true = {name: row[name].to_numpy(float) for name in row}
                found = fitter(lr[0] * data.unit * data.scale**2, float(test.exposure_time[index]))
                yield found, lenses[tried].prior, true
