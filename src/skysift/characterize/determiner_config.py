"""Configuration of the PSF determiners: the fields of the LSST configurations of the same names that mean something here."""

from __future__ import annotations

import lsst.pex.config as pexConfig

__all__ = ["PSF_DETERMINERS", "PcaPsfDeterminerConfig", "PiffPsfDeterminerConfig", "PsfexPsfDeterminerConfig"]


def _odd(name: str, value: int) -> None:
    if value < 1 or value % 2 == 0:
        raise ValueError(f"{name} is {value}; it must be odd and positive")


class BasePsfDeterminerConfig(pexConfig.Config):
    """What all determiners have (LSST `BasePsfDeterminerConfig`)."""

    stampSize = pexConfig.Field[int](doc="Side of the star stamps, odd, pixels.", dtype=int, default=41)
    maxCandidates = pexConfig.Field[int](doc="Most candidates to fit; more are thinned at random.", dtype=int, default=300)
    downsampleRandomSeed = pexConfig.Field[int](doc="Seed of the thinning.", dtype=int, default=98765)
    spatialOrder = pexConfig.RangeField(
        doc="Total order of the polynomials in position.", dtype=int, default=2, min=0, max=6, inclusiveMax=True
    )

    def validate(self) -> None:
        """Check the size of the stamps."""
        super().validate()
        _odd("stampSize", self.stampSize)


class PsfexPsfDeterminerConfig(BasePsfDeterminerConfig):
    """The pixel-grid PSF under the name and with the numbers of LSST's PSFEx determiner."""

    badMaskBits = pexConfig.ListField[str](
        doc="Mask planes of pixels that do not count.", dtype=str, default=["BAD", "SAT", "CR", "INTRP", "NO_DATA"]
    )
    rejectFlaggedCentroids = pexConfig.Field[bool](doc="Leave out candidates with a flagged centroid.", dtype=bool, default=True)
    modelAccuracy = pexConfig.RangeField(
        doc="Error of the model relative to itself, which adds to the noise of a pixel.", dtype=float, default=0.003, min=0.0
    )
    outlierNSigma = pexConfig.RangeField(
        doc="Stars whose misfit exceeds the median by this many standard deviations leave the fit.", dtype=float, default=5.0, min=0.0
    )
    outlierMaxRemove = pexConfig.RangeField(
        doc="Most stars that may leave in one iteration, as a fraction.", dtype=float, default=0.05, min=0.0, max=1.0, inclusiveMax=True
    )


class PiffPsfDeterminerConfig(BasePsfDeterminerConfig):
    """The pixel-grid PSF under the name and with the numbers of LSST's Piff determiner."""

    modelSize = pexConfig.Field[int](doc="Side of the model, odd, pixels.", dtype=int, default=25)
    outlierNSigma = pexConfig.RangeField(
        doc="Stars whose misfit exceeds the median by this many standard deviations leave the fit.", dtype=float, default=4.0, min=0.0
    )
    outlierMaxRemove = pexConfig.RangeField(
        doc="Most stars that may leave in one iteration, as a fraction.", dtype=float, default=0.05, min=0.0, max=1.0, inclusiveMax=True
    )
    maxSNR = pexConfig.RangeField(
        doc="Stars of a higher signal-to-noise ratio weigh as much as those of this one; 0 sets no limit.",
        dtype=float,
        default=200.0,
        min=0.0,
    )
    zeroWeightMaskBits = pexConfig.ListField[str](
        doc="Mask planes of pixels that do not count.", dtype=str, default=["BAD", "CR", "INTRP", "SAT", "SUSPECT", "NO_DATA"]
    )
    minimumUnmaskedFraction = pexConfig.RangeField(
        doc="Least fraction of a star's core that must count.", dtype=float, default=0.5, min=0.0, max=1.0, inclusiveMax=True
    )
    piffMaxIter = pexConfig.RangeField(doc="Most iterations.", dtype=int, default=15, min=1)

    def setDefaults(self) -> None:
        """Take stamps of the size of the model."""
        super().setDefaults()
        self.stampSize = 25

    def validate(self) -> None:
        """Check the size of the model."""
        super().validate()
        _odd("modelSize", self.modelSize)


class PcaPsfDeterminerConfig(BasePsfDeterminerConfig):
    """Principal components with polynomial coefficients (LSST `PcaPsfDeterminerConfig`)."""

    nEigenComponents = pexConfig.RangeField(doc="Number of components, the mean included.", dtype=int, default=4, min=1)
    sizeCellX = pexConfig.RangeField(doc="Width of a cell, pixels.", dtype=int, default=256, min=10)
    sizeCellY = pexConfig.RangeField(doc="Height of a cell, pixels.", dtype=int, default=256, min=10)
    nStarPerCell = pexConfig.RangeField(doc="Brightest stars of each cell that make the components.", dtype=int, default=3, min=1)
    nStarPerCellSpatialFit = pexConfig.RangeField(
        doc="Brightest stars of each cell that make the polynomials; 0 for all.", dtype=int, default=5, min=0
    )
    nIterForPsf = pexConfig.RangeField(doc="Rounds of fitting and rejecting.", dtype=int, default=3, min=1)
    lam = pexConfig.Field[float](
        doc="Added to the variance of a pixel, times its value, in the misfit of stars.", dtype=float, default=0.05
    )
    reducedChi2ForPsfCandidates = pexConfig.Field[float](doc="Greatest reduced chi square of a star.", dtype=float, default=2.0)
    spatialReject = pexConfig.Field[float](
        doc="Stars whose coefficients differ from the polynomials by more than this many standard deviations leave.",
        dtype=float,
        default=3.0,
    )


PSF_DETERMINERS: dict[str, type[pexConfig.Config]] = {
    "psfex": PsfexPsfDeterminerConfig,
    "piff": PiffPsfDeterminerConfig,
    "pca": PcaPsfDeterminerConfig,
}
"""Configurations of the determiners by name; `skysift.characterize.determiners.DETERMINERS` has the functions."""
