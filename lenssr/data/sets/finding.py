"""Sets of lenses and of what is taken for them, alike in brightness and field, as two telescopes see them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lenssr.data.sets.simulated import as_tensors
from lenssr.data.sets.survey import SurveySource
from lenssr.data.sky.galaxies import Galaxies
from lenssr.data.sky.galaxies import galaxies as make_galaxies
from lenssr.data.sky.impostors import impostors, sky
from lenssr.data.sky.scene import brightness
from lenssr.errors import ConfigError

__all__ = ["FindingSource"]

_REACH, _STEP = 4.0, 0.06  # arcsec: half of the grid on which the flux of arcs is summed, and its rays
_TOGETHER = 16  # lenses whose arcs are summed at once
_MASS = ("theta_E", "slope", "e1", "e2", "gamma1", "gamma2", "source_x", "source_y", "source_magnitude")


class FindingSource(SurveySource):
    """Lenses of a survey's sky and impostors, in turns.

    The lens of an address is :class:`lenssr.data.sets.survey.SurveySource`'s of the same seed, split and number. The
    impostor of an address has the field of the lens that would be there, and a feature as bright as its arcs; see
    :mod:`lenssr.data.sky.impostors`.

    Args:
        classes: names of impostors and lenses, in this order: the numbers 0 and 1 of the labels.
        substructure: classes of the lenses' substructure, in turns.
        impostors: their ``kinds``, in turns, and the distributions of their numbers.
        **survey: see :class:`lenssr.data.sets.survey.SurveySource`.

    Raises:
        ConfigError: these are not two classes, or stamps are wanted and there are none.
    """

    def __init__(self, classes: list[str], substructure: list[str], impostors: dict[str, Any], **survey: Any) -> None:
        if len(classes) != 2:
            raise ConfigError(
                f"task.data.classes={classes} where dataset=lens_finding has two, impostors and lenses; use "
                "model=lens_finder, or leave task.data.classes alone."
            )
        super().__init__(classes=substructure, **survey)
        if "stamp" in impostors["kinds"] and self._galaxies is None:
            raise ConfigError(
                "dataset.source.impostors.kinds has 'stamp', which needs stamps of galaxies: "
                "dataset.source.galaxies={kind: stand_in, width: 0.64, count: 64, seed: 0}, or real ones."
            )
        self._substructure, self.classes, self.impostors = substructure, classes, impostors
        self._settle({**self.config, "classes": classes, "substructure": substructure, "impostors": impostors})

    def light(self, *arguments: Any) -> Tensor:
        """Return the brightness of lenses and impostors; see :func:`lenssr.data.sky.impostors.sky`."""
        return sky(*arguments)

    def table(self, split: str, count: int) -> pd.DataFrame:
        """Return the parameters of the first ``count`` images of a split, one row an image.

        Beside a survey's: ``substructure``, the class of the lens's; ``arcs_magnitude`` of its lensed source; of
        impostors what :func:`lenssr.data.sky.impostors.impostors` draws, and NaN for what only lenses have.
        """
        table = self._survey_table(split, count)
        arcs = self._arcs(table)
        lens = table["index"].to_numpy() % 2 == 1
        drawn = impostors(self.impostors, table, np.where(lens, 0.0, arcs), self.seed, split, self.hr.zero_point)
        table.insert(2, "substructure", table["class"].where(lens, ""))
        table["class"] = np.where(lens, self.classes[1], self.classes[0])
        table["arcs_magnitude"] = np.where(lens, self.hr.zero_point - 2.5 * np.log10(arcs), np.nan)
        table.loc[~lens, list(_MASS)] = np.nan
        table.loc[~lens, ["source_amplitude", "source_flux"]] = 0.0
        return pd.concat([table, drawn], axis=1)

    def _survey_table(self, split: str, count: int) -> pd.DataFrame:
        both, self.classes = self.classes, self._substructure
        try:
            return super().table(split, count)
        finally:
            self.classes = both

    @cached_property
    def _stamps(self) -> Galaxies | None:
        return None if self._galaxies is None else make_galaxies(**self._galaxies)

    def _arcs(self, table: pd.DataFrame) -> np.ndarray:
        """Return the flux of each lens's lensed source (N,), of which a lens's light and neighbours are no part."""
        axis = torch.arange(-_REACH, _REACH + _STEP / 2, _STEP)
        found = []
        for start in range(0, len(table), _TOGETHER):
            p: Mapping[str, Tensor] = as_tensors(table.iloc[start : start + _TOGETHER])
            dark = {f"{name}_amplitude": torch.zeros(len(p["theta_E"])) for name in ("deflector", "neighbour")}
            found.append(brightness({**p, **dark}, axis, 1, self._stamps).double().sum((1, 2)) * _STEP**2)
        return torch.cat(found).numpy()
