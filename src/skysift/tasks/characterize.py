"""Characterisation and PSF tasks with the LSST names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lsst.pipe.base import Struct, Task

from skysift.characterize import add_characterization_fields, characterize_image
from skysift.characterize.config import CharacterizeImageConfig, MeasurePsfConfig
from skysift.characterize.psf_measurement import add_psf_fields, measure_psf
from skysift.table import Schema

if TYPE_CHECKING:
    from skysift.background import BackgroundList
    from skysift.image import Exposure
    from skysift.table import SourceCatalog

__all__ = ["CharacterizeImageTask", "MeasurePsfTask"]


class CharacterizeImageTask(Task):
    """Learn background, PSF and aperture corrections of an exposure from its bright sources.

    Parameters
    ----------
    schema
        Schema of the catalogue to be, which gets all columns; None for a new one.
    config
        Configuration, `CharacterizeImageConfig`.
    butler, refObjLoader
        Not used; accepted for older callers.
    **kwargs
        Other arguments of `lsst.pipe.base.Task`.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.characterizeImage.CharacterizeImageTask`.
    """

    ConfigClass: ClassVar[type] = CharacterizeImageConfig
    _DefaultName: ClassVar[str] = "characterizeImage"

    config: CharacterizeImageConfig

    def __init__(
        self,
        schema: Schema | None = None,
        config: CharacterizeImageConfig | None = None,
        *,
        butler: Any = None,
        refObjLoader: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config=config, **kwargs)
        self.schema = Schema.source() if schema is None else schema
        add_characterization_fields(self.schema, self.config)

    def run(
        self, exposure: Exposure, background: BackgroundList | None = None, idGenerator: Any = None, exposureIdInfo: Any = None
    ) -> Struct:
        """Characterise an exposure.

        Parameters
        ----------
        exposure
            The image, changed in place; see `skysift.characterize.characterize_image`.
        background
            What was subtracted before.
        idGenerator, exposureIdInfo
            What numbers the sources and seeds the random choices: with `catalog_id` and `make_table_id_factory()`, or `expId` and
            `makeSourceIdFactory()`.

        Returns
        -------
        result
            `exposure` (also `characterized`), `sourceCat`, `background` (also `backgroundModel`), and `psfCellSet`, the `PsfMeasurement` with
            the stars of the PSF.

        Raises
        ------
        AlgorithmError
            See `skysift.characterize.characterize_image`.
        """
        exposure_id, id_factory = 0, None
        if idGenerator is not None:
            exposure_id = int(idGenerator.catalog_id)
            id_factory = idGenerator.make_table_id_factory()
        elif exposureIdInfo is not None:
            exposure_id = int(exposureIdInfo.expId)
            id_factory = exposureIdInfo.makeSourceIdFactory()
        found = characterize_image(exposure, self.config, background, exposure_id=exposure_id, schema=self.schema, id_factory=id_factory)
        if found.psf is not None:
            for name, value in found.psf.solution.metadata.items():
                self.metadata[name] = value
        self.log.info("PSF sigma %.3f pixels from %d sources", found.exposure.psf.sigma(), len(found.catalog))
        return Struct(
            exposure=found.exposure,
            sourceCat=found.catalog,
            background=found.background,
            psfCellSet=found.psf,
            characterized=found.exposure,
            backgroundModel=found.background,
        )


class MeasurePsfTask(Task):
    """Measure the PSF of an exposure from measured sources.

    Parameters
    ----------
    schema
        Schema of the catalogue, which gets the columns of the PSF's stars; None adds nothing.
    config
        Configuration, `MeasurePsfConfig`.
    **kwargs
        Other arguments of `lsst.pipe.base.Task`.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.measurePsf.MeasurePsfTask`.
    """

    ConfigClass: ClassVar[type] = MeasurePsfConfig
    _DefaultName: ClassVar[str] = "measurePsf"

    config: MeasurePsfConfig

    def __init__(self, schema: Schema | None = None, config: MeasurePsfConfig | None = None, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        if schema is not None:
            add_psf_fields(schema)

    def run(self, exposure: Exposure, sources: SourceCatalog, expId: int = 0, matches: Any = None) -> Struct:
        """Measure the PSF and give it to the exposure.

        Parameters
        ----------
        exposure
            The image, background subtracted.
        sources
            Measured sources with footprints, made with the schema of this task.
        expId
            Number of the exposure, which enters the choice of reserved stars.
        matches
            Not used.

        Returns
        -------
        result
            `psf`, and `cellSet`, the `PsfMeasurement` with the stars of the PSF.

        Raises
        ------
        AlgorithmError
            See `skysift.characterize.measure_psf`.
        """
        found = measure_psf(exposure, sources, self.config, exposure_id=expId)
        for name, value in found.solution.metadata.items():
            self.metadata[name] = value
        self.log.info("PSF from %d of %d candidates", int(found.used.sum()), len(found.rows))
        return Struct(psf=found.psf, cellSet=found)
