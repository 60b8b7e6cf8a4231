"""Configuration of the source selectors: the fields of the LSST configurations of the same names."""

from __future__ import annotations

import lsst.pex.config as pexConfig

__all__ = ["SOURCE_SELECTORS", "ObjectSizeStarSelectorConfig", "ScienceSourceSelectorConfig"]


class FluxLimit(pexConfig.Config):
    """Limits on a flux (LSST `FluxLimit`)."""

    minimum = pexConfig.Field[float](doc="Fluxes must exceed this; None sets no limit.", dtype=float, default=None, optional=True)
    maximum = pexConfig.Field[float](doc="Fluxes must be below this; None sets no limit.", dtype=float, default=None, optional=True)
    fluxField = pexConfig.Field[str](doc="Column of the flux.", dtype=str, default="slot_CalibFlux_instFlux")


class SignalToNoiseLimit(pexConfig.Config):
    """Limits on a signal-to-noise ratio (LSST `SignalToNoiseLimit`)."""

    minimum = pexConfig.Field[float](doc="Ratios must exceed this; None sets no limit.", dtype=float, default=None, optional=True)
    maximum = pexConfig.Field[float](doc="Ratios must be below this; None sets no limit.", dtype=float, default=None, optional=True)
    fluxField = pexConfig.Field[str](doc="Column of the flux.", dtype=str, default="base_PsfFlux_instFlux")
    errField = pexConfig.Field[str](doc="Column of its error.", dtype=str, default="base_PsfFlux_instFluxErr")


class RequireFlags(pexConfig.Config):
    """Flags that must or must not be set (LSST `RequireFlags`)."""

    good = pexConfig.ListField[str](doc="Flags that must be set.", dtype=str, default=[])
    bad = pexConfig.ListField[str](
        doc="Flags that must not be set.",
        dtype=str,
        default=["base_PixelFlags_flag_edge", "base_PixelFlags_flag_saturated", "base_PsfFlux_flag"],
    )


class RequireUnresolved(pexConfig.Config):
    """Limits on the extendedness (LSST `RequireUnresolved`)."""

    minimum = pexConfig.Field[float](doc="Values must exceed this; None sets no limit.", dtype=float, default=None, optional=True)
    maximum = pexConfig.Field[float](doc="Values must be below this; None sets no limit.", dtype=float, default=0.1, optional=True)
    name = pexConfig.Field[str](doc="Column of the extendedness.", dtype=str, default="base_ClassificationSizeExtendedness_value")


class RequireIsolated(pexConfig.Config):
    """Sources that are no part of a blend (LSST `RequireIsolated`)."""

    parentName = pexConfig.Field[str](doc="Column of the parent's identifier.", dtype=str, default="parent")
    nChildName = pexConfig.Field[str](doc="Column of the number of children.", dtype=str, default="deblend_nChild")


class RequireFiniteRaDec(pexConfig.Config):
    """Sources whose sky coordinates are known (LSST `RequireFiniteRaDec`)."""

    raColName = pexConfig.Field[str](doc="Column of the right ascension.", dtype=str, default="coord_ra")
    decColName = pexConfig.Field[str](doc="Column of the declination.", dtype=str, default="coord_dec")


class RequirePrimary(pexConfig.Config):
    """Sources that are primary (LSST `RequirePrimary`)."""

    primaryColName = pexConfig.Field[str](doc="Column of the flag.", dtype=str, default="detect_isPrimary")


class CentroidErrorLimit(pexConfig.Config):
    """Limits on the errors of the position (LSST `CentroidErrorLimit`)."""

    minimum = pexConfig.Field[float](doc="Errors must exceed this; None sets no limit.", dtype=float, default=None, optional=True)
    maximum = pexConfig.Field[float](doc="Errors must be below this, pixels; None sets no limit.", dtype=float, default=3.0, optional=True)
    centroidErrorField = pexConfig.ListField[str](
        doc="Columns of the errors.", dtype=str, default=["slot_Centroid_xErr", "slot_Centroid_yErr"]
    )


class ScienceSourceSelectorConfig(pexConfig.Config):
    """Selection by flags and limits, each switched on alone (LSST `ScienceSourceSelectorConfig`)."""

    doFluxLimit = pexConfig.Field[bool](doc="Limit the flux.", dtype=bool, default=False)
    doFlags = pexConfig.Field[bool](doc="Demand flags.", dtype=bool, default=False)
    doUnresolved = pexConfig.Field[bool](doc="Demand point sources.", dtype=bool, default=False)
    doSignalToNoise = pexConfig.Field[bool](doc="Limit the signal-to-noise ratio.", dtype=bool, default=False)
    doIsolated = pexConfig.Field[bool](doc="Demand isolated sources.", dtype=bool, default=False)
    doRequireFiniteRaDec = pexConfig.Field[bool](doc="Demand finite sky coordinates.", dtype=bool, default=False)
    doRequirePrimary = pexConfig.Field[bool](doc="Demand primary sources.", dtype=bool, default=False)
    doSkySources = pexConfig.Field[bool](doc="Select sky sources too, whatever the rest.", dtype=bool, default=False)
    doCentroidErrorLimit = pexConfig.Field[bool](doc="Limit the errors of the position.", dtype=bool, default=False)
    fluxLimit = pexConfig.ConfigField[FluxLimit](doc="Limits on the flux.", dtype=FluxLimit)
    flags = pexConfig.ConfigField[RequireFlags](doc="Flags.", dtype=RequireFlags)
    unresolved = pexConfig.ConfigField[RequireUnresolved](doc="What is a point source.", dtype=RequireUnresolved)
    signalToNoise = pexConfig.ConfigField[SignalToNoiseLimit](doc="Limits on the signal-to-noise ratio.", dtype=SignalToNoiseLimit)
    isolated = pexConfig.ConfigField[RequireIsolated](doc="What is isolated.", dtype=RequireIsolated)
    requireFiniteRaDec = pexConfig.ConfigField[RequireFiniteRaDec](doc="Sky coordinates.", dtype=RequireFiniteRaDec)
    requirePrimary = pexConfig.ConfigField[RequirePrimary](doc="What is primary.", dtype=RequirePrimary)
    centroidErrorLimit = pexConfig.ConfigField[CentroidErrorLimit](doc="Limits on the errors of the position.", dtype=CentroidErrorLimit)


class ObjectSizeStarSelectorConfig(pexConfig.Config):
    """Selection of the sources of the smallest common size (LSST `ObjectSizeStarSelectorConfig`)."""

    doFluxLimit = pexConfig.Field[bool](doc="Limit the flux.", dtype=bool, default=False)
    fluxMin = pexConfig.Field[float](doc="Least flux, counts.", dtype=float, default=12500.0)
    fluxMax = pexConfig.Field[float](doc="Greatest flux, counts; 0 sets no limit.", dtype=float, default=0.0)
    doSignalToNoiseLimit = pexConfig.Field[bool](doc="Limit the signal-to-noise ratio.", dtype=bool, default=True)
    signalToNoiseMin = pexConfig.Field[float](doc="Least signal-to-noise ratio.", dtype=float, default=50.0)
    signalToNoiseMax = pexConfig.Field[float](doc="Greatest signal-to-noise ratio; 0 sets no limit.", dtype=float, default=0.0)
    widthMin = pexConfig.Field[float](doc="Least width, pixels.", dtype=float, default=0.9)
    widthMax = pexConfig.Field[float](doc="Greatest width, pixels.", dtype=float, default=10.0)
    sourceFluxField = pexConfig.Field[str](doc="Column of the flux.", dtype=str, default="base_PsfFlux_instFlux")
    widthStdAllowed = pexConfig.Field[float](
        doc="Relative spread of the width at which a cluster needs no more clipping.", dtype=float, default=0.15
    )
    nSigmaClip = pexConfig.Field[float](doc="Width of the clipping, sigmas.", dtype=float, default=2.0)
    badFlags = pexConfig.ListField[str](
        doc="Flags that must not be set.",
        dtype=str,
        default=[
            "base_PixelFlags_flag_edge",
            "base_PixelFlags_flag_nodata",
            "base_PixelFlags_flag_interpolatedCenter",
            "base_PixelFlags_flag_saturatedCenter",
            "base_PixelFlags_flag_crCenter",
            "base_PixelFlags_flag_bad",
            "base_PixelFlags_flag_interpolated",
            "slot_Centroid_flag",
        ],
    )

    def validate(self) -> None:
        """Check the order of the limits."""
        super().validate()
        if self.widthMin > self.widthMax:
            raise ValueError(f"widthMin ({self.widthMin}) exceeds widthMax ({self.widthMax})")
        if self.fluxMax and self.fluxMin > self.fluxMax:
            raise ValueError(f"fluxMin ({self.fluxMin}) exceeds fluxMax ({self.fluxMax})")


SOURCE_SELECTORS: dict[str, type[pexConfig.Config]] = {"objectSize": ObjectSizeStarSelectorConfig, "science": ScienceSourceSelectorConfig}
"""Configurations of the selectors by name; `skysift.characterize.selectors.SELECTORS` has the functions."""
