"""Lenses for tests of modelling: points, what images are, and lenstronomy's own image of them."""

import numpy as np
import torch

from lenssr.data.camera.psf import PSF
from lenssr.data.camera.telescope import Telescope
from lenssr.modelling.lens import NAMES
from lenssr.modelling.view import View

SIZE, PIXEL, FWHM = 48, 0.06, 0.12
TRUE = {
    "theta_E": 0.9, "slope": 2.05, "e1": 0.08, "e2": -0.05, "gamma1": 0.03, "gamma2": 0.02, "lens_x": 0.02,
    "lens_y": -0.01, "source_x": 0.12, "source_y": 0.06, "source_log_flux": 3.2, "source_log_radius": -1.7,
    "source_index": 1.2, "source_e1": 0.1, "source_e2": 0.05, "deflector_log_flux": 5.0,
    "deflector_log_radius": -0.6, "deflector_index": 3.6, "deflector_e1": 0.06, "deflector_e2": -0.04,
}  # fmt: skip


def telescope():
    psf = PSF("gaussian", (FWHM, FWHM))
    return Telescope("test", PIXEL, psf, FWHM, 25.0, 500.0, 4, 22.0, 4.0, 1.0, (1.0,))


def view(bins=1):
    return View(telescope(), FWHM, PIXEL, SIZE, bins)


def points(*changes):
    rows = [[{**TRUE, **change}[name] for name in NAMES] for change in (changes or ({},))]
    return torch.tensor(rows)


def lenstronomy_image(point, pixel=PIXEL, size=SIZE, rays=4):
    """Return lenstronomy's image of a point (P,), flux per pixel, (size, size)."""
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF as Kernel
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    from lenssr.data.sky.parameters import sersic_flux

    p = dict(zip(NAMES, map(float, point), strict=True))
    corner = -(size - 1) / 2 * pixel
    data = ImageData(
        np.zeros((size, size)), ra_at_xy_0=corner, dec_at_xy_0=corner, transform_pix2angle=np.eye(2) * pixel
    )
    light = LightModel(["SERSIC_ELLIPSE"])
    numerics = {"supersampling_factor": rays, "supersampling_convolution": True}
    kernel = Kernel("GAUSSIAN", fwhm=FWHM, pixel_size=pixel, truncation=5)
    model = ImageModel(data, kernel, LensModel(["EPL", "SHEAR"]), light, light, kwargs_numerics=numerics)

    def galaxy(name, x, y):
        radius, index = np.exp(p[f"{name}_log_radius"]), p[f"{name}_index"]
        shape = {"R_sersic": radius, "n_sersic": index, "e1": p[f"{name}_e1"], "e2": p[f"{name}_e2"]}
        amplitude = np.exp(p[f"{name}_log_flux"]) / sersic_flux(radius, index)
        return {"amp": amplitude, "center_x": x, "center_y": y, **shape}

    mass = {"theta_E": p["theta_E"], "gamma": p["slope"], "e1": p["e1"], "e2": p["e2"]}
    mass |= {"center_x": p["lens_x"], "center_y": p["lens_y"]}
    shear = {"gamma1": p["gamma1"], "gamma2": p["gamma2"]}
    source = galaxy("source", p["source_x"], p["source_y"])
    # lenstronomy's amplitudes are per square arcsec, its images per pixel
    return model.image([mass, shear], [source], [galaxy("deflector", p["lens_x"], p["lens_y"])])
