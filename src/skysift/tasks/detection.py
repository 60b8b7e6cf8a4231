"""Detection tasks with the LSST names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lsst.pipe.base import Struct, Task

from skysift.detection import convolve_image, detect_footprints, get_psf
from skysift.detection.config import SkyObjectsConfig, SourceDetectionConfig
from skysift.detection.sky_objects import sky_objects
from skysift.errors import InputError
from skysift.table import Schema, SourceCatalog

if TYPE_CHECKING:
    from skysift.background import BackgroundList
    from skysift.detection import Convolved, Detections
    from skysift.footprint import FootprintSet
    from skysift.image import Exposure, Image, Mask, MaskedImage
    from skysift.psf import GaussianPsf

__all__ = ["SkyObjectsTask", "SourceDetectionTask"]


class SourceDetectionTask(Task):
    """Find sources above a threshold, and make a catalogue of them.

    Parameters
    ----------
    schema
        Schema of the catalogue to be; gets the field `is_negative` if sources of both signs are wanted. None adds nothing.
    config
        Configuration, `SourceDetectionConfig`.
    **kwargs
        Other arguments of `lsst.pipe.base.Task`.

    Notes
    -----
    The LSST task is `lsst.meas.algorithms.SourceDetectionTask`.
    """

    ConfigClass: ClassVar[type] = SourceDetectionConfig
    _DefaultName: ClassVar[str] = "sourceDetection"

    config: SourceDetectionConfig

    def __init__(self, schema: Schema | None = None, config: SourceDetectionConfig | None = None, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        self.negativeFlagKey: str | None = None
        if schema is not None and self.config.thresholdPolarity == "both":
            self.negativeFlagKey = schema.add_field("is_negative", "Flag", "Set if source peak is negative.", exist_ok=True)

    def run(
        self,
        table: Schema | SourceCatalog | Any,
        exposure: Exposure,
        doSmooth: bool = True,
        sigma: float | None = None,
        clearMask: bool = True,
        expId: int | None = None,
        background: BackgroundList | None = None,
        backgroundToPhotometricRatio: Image | None = None,
    ) -> Struct:
        """Detect sources on an exposure.

        Parameters
        ----------
        table
            What the catalogue is made like: a `Schema`, or a `SourceCatalog` (or anything with `schema` and perhaps `id_factory`), whose rows are
            left alone and whose identifiers are continued.
        exposure
            The exposure, changed in place; see `skysift.detection.detect_footprints`.
        doSmooth, sigma, clearMask, background, backgroundToPhotometricRatio
            See `skysift.detection.detect_footprints`.
        expId
            Not used.

        Returns
        -------
        result
            `sources`, the catalogue, negative sources first; `positive`, `negative`, `numPos`, `numPosPeaks`, `numNeg`, `numNegPeaks`,
            `background`, `factor`, `factorNeg`, `positiveThreshold`, `negativeThreshold`; and `fpSets`, a Struct of the footprints and
            numbers again, as older pipelines have it.

        Raises
        ------
        InputError
            When sources of both signs are wanted and the schema has no field `is_negative`, and as `detect_footprints` does.
        """
        schema = table if isinstance(table, Schema) else table.schema
        if self.negativeFlagKey is not None and self.negativeFlagKey not in schema:
            raise InputError(f"the schema of the table has no field {self.negativeFlagKey!r}; use the schema that the task was made with")
        result = self.detectFootprints(exposure, doSmooth, sigma, clearMask, expId, background, backgroundToPhotometricRatio)
        sources = SourceCatalog(schema, id_factory=getattr(table, "id_factory", None))
        n_negative = 0 if result.negative is None else len(result.negative)
        n_positive = 0 if result.positive is None else len(result.positive)
        sources.add_rows(n_negative + n_positive)
        if n_negative == 0:
            sources.footprints = result.positive if n_positive else []
        else:
            sources.footprints = [*result.negative, *(result.positive or [])]
            if self.negativeFlagKey is not None:
                sources[self.negativeFlagKey][:n_negative] = True
        names = ("positive", "negative", "numPos", "numPosPeaks", "numNeg", "numNegPeaks", "background")
        result.mergeItems(Struct(sources=sources, fpSets=Struct(**{name: getattr(result, name) for name in names})), "sources", "fpSets")
        return result

    def detectFootprints(
        self,
        exposure: Exposure,
        doSmooth: bool = True,
        sigma: float | None = None,
        clearMask: bool = True,
        expId: int | None = None,
        background: BackgroundList | None = None,
        backgroundToPhotometricRatio: Image | None = None,
    ) -> Struct:
        """Find footprints without making a catalogue; parameters and result as those of `run`, less `sources` and `fpSets`."""
        found: Detections = detect_footprints(
            exposure,
            self.config,
            do_smooth=doSmooth,
            sigma=sigma,
            clear_mask=clearMask,
            background=background,
            background_to_photometric_ratio=backgroundToPhotometricRatio,
        )
        self.metadata["doSmooth"] = doSmooth
        self.metadata["sigma"] = found.sigma
        self.metadata["smoothingKernelWidth"] = found.kernel_width
        self.metadata["nGrow"] = found.n_grow
        self.log.info(
            "Detected %d positive footprints with %d peaks and %d negative footprints with %d peaks to %g %s",
            found.num_pos,
            found.num_pos_peaks,
            found.num_neg,
            found.num_neg_peaks,
            self.config.thresholdValue,
            self.config.thresholdType,
        )
        return Struct(
            positive=found.positive,
            negative=found.negative,
            numPos=found.num_pos,
            numPosPeaks=found.num_pos_peaks,
            numNeg=found.num_neg,
            numNegPeaks=found.num_neg_peaks,
            background=found.background,
            factor=found.factor,
            factorNeg=found.factor_neg,
            positiveThreshold=found.positive_threshold,
            negativeThreshold=found.negative_threshold,
        )

    def getPsf(self, exposure: Exposure, sigma: float | None = None) -> GaussianPsf:
        """Make the Gaussian to smooth an exposure with; see `skysift.detection.get_psf`."""
        return get_psf(exposure, sigma, self.config.nSigmaForKernel)

    def convolveImage(self, maskedImage: MaskedImage, psf: GaussianPsf, doSmooth: bool = True) -> Convolved:
        """Smooth a masked image; see `skysift.detection.convolve_image`."""
        return convolve_image(maskedImage, psf, doSmooth)


class SkyObjectsTask(Task):
    """Put objects on empty sky, to measure what noise looks like.

    Notes
    -----
    The LSST task is `lsst.meas.algorithms.SkyObjectsTask`.
    """

    ConfigClass: ClassVar[type] = SkyObjectsConfig
    _DefaultName: ClassVar[str] = "skyObjects"

    config: SkyObjectsConfig

    def run(self, mask: Mask, seed: int, catalog: SourceCatalog | None = None) -> FootprintSet:
        """Choose positions, and add them to a catalogue.

        Parameters
        ----------
        mask
            Its planes ``config.avoidMask`` are kept away from.
        seed
            Seed of the positions.
        catalog
            Gets a row with a footprint for each object, with the flag `sky_source` set if its schema has it. None: no catalogue.

        Returns
        -------
        footprints
            A disc for each object, with one peak.
        """
        found = sky_objects(mask, seed, self.config)
        self.metadata["sky_footprint_count"] = len(found)
        if catalog is not None and len(found):
            before = list(catalog.footprints)
            rows = catalog.add_rows(len(found))
            catalog.footprints = [*before, *found]
            if "sky_source" in catalog:
                catalog["sky_source"][rows] = True
        return found
