"""Is a source a star or a galaxy, from its pixels: skysift_ModelExtendedness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["ModelExtendednessPlugin"]

N_SIZES = 2
SMALLEST = 1.2
"""Half-light radius of the smallest galaxy, in units of the PSF's sigma; the other is twice as large. Smaller ones cannot be told from points where it matters."""

_MIXTURE = np.array([0.073, 0.370, 0.557])
_FIRST_VARIANCE = 0.09
"""An exponential of half-light radius r as three Gaussians of variance 0.09, 0.36 and 1.44 r^2."""


class ModelExtendednessConfig(PluginConfig):
    """How the models are compared."""

    badMaskPlanes = pexConfig.ListField[str](
        doc="Pixels with any of these planes are left out.", dtype=str, default=["BAD", "SAT", "NO_DATA"]
    )
    modelError = pexConfig.Field[float](doc="Relative error of the PSF model's pixels.", dtype=float, default=0.01)


@register("skysift_ModelExtendedness", order=FLUX_ORDER + 0.5)
class ModelExtendednessPlugin(Plugin):
    """Likelihood of a round exponential galaxy of any of some sizes over that of a point source.

    Flux and position of each model are fitted; the sizes have equal prior weight. Unlike a cut in the ratio of fluxes the value knows the noise:
    it tends to 0 for stars, to 1 for galaxies and to 1/2 for sources too faint to tell.
    """

    ConfigClass = ModelExtendednessConfig
    flags = {"edge": "the PSF image reaches beyond the image"}

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        schema.add_field(f"{self.name}_value", "D", "probability of being extended if points and galaxies are equally frequent")
        schema.add_field(f"{self.name}_logRatio", "D", "logarithm of the likelihood of a galaxy over that of a point source")
        self.add_flags(schema)
        schema.aliases[f"{self.name}_flag_badCentroid"] = "slot_Centroid_flag"

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.extendedness import model_gains

        stamps = batch.psf_stamps
        sizes = _FIRST_VARIANCE * SMALLEST**2 * 4.0 ** np.arange(N_SIZES + len(_MIXTURE) - 1)
        gains = model_gains(
            batch.overlay, batch.variance, batch.mask, batch.bitmask(self.config.badMaskPlanes),
            stamps.images, stamps.x0, stamps.y0, batch.psf_sigma, sizes, _MIXTURE, self.config.modelError,
        )  # fmt: skip
        ratio = np.logaddexp.reduce(0.5 * gains[:, 1:], axis=1) - np.log(N_SIZES) - 0.5 * gains[:, 0]
        ratio[~stamps.valid] = np.nan
        size = stamps.images.shape[1]
        height, width = batch.variance.shape
        batch[f"{self.name}_logRatio"] = ratio
        batch[f"{self.name}_value"] = 0.5 * (1.0 + np.tanh(0.5 * ratio))
        batch[f"{self.name}_flag_edge"] = (stamps.x0 < 0) | (stamps.y0 < 0) | (stamps.x0 + size > width) | (stamps.y0 + size > height)
        batch[f"{self.name}_flag"] = batch.position.bad | ~np.isfinite(ratio)
