"""Running the plugins: over blocks of sources, in the order of execution, whatever fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError
from skysift.measure.batch import Batch
from skysift.measure.config import MeasurementConfig
from skysift.measure.noise import hide_sources, make_overlay, source_pixels
from skysift.measure.plugin import Plugin
from skysift.measure.registry import entry, registry
from skysift.table import Schema, SourceCatalog

if TYPE_CHECKING:
    from skysift.footprint import FootprintArrays
    from skysift.image import Exposure

__all__ = ["Measurement", "add_measurement_fields", "measure", "measurement_schema"]

log = logging.getLogger("skysift.measure")

BLOCK = 2048
"""Sources measured together; bounds the memory for PSF images."""


class Measurement:
    """The plugins of a configuration, ready to add their fields and to run (LSST `SingleFrameMeasurementTask`).

    Parameters
    ----------
    config
        Which plugins; None for the defaults.

    Attributes
    ----------
    plugins
        In the order of execution: the slot centroid first, then by order and name.
    """

    def __init__(self, config: MeasurementConfig | None = None) -> None:
        self.config = config or MeasurementConfig()
        self.config.validate()
        slot = self.config.slots.centroid
        names = sorted(self.config.plugins.names, key=lambda name: (name != slot, entry(name).order, name))
        self.plugins: list[Plugin] = [registry[name](self.config.plugins[name], name) for name in names]

    def add_fields(self, schema: Schema) -> None:
        """Add the slots, the columns of all plugins and `base_InvalidPsf_flag`."""
        schema.aliases.update(self.config.slots.aliases())
        for plugin in self.plugins:
            plugin.fields(schema)
        schema.add_field("base_InvalidPsf_flag", "Flag", "the PSF could not be computed at the position of the source")

    def run(
        self,
        catalog: SourceCatalog,
        exposure: Exposure,
        *,
        footprints: FootprintArrays | None = None,
        noise_image: Any = None,
        exposure_id: int | None = None,
        begin_order: float | None = None,
        end_order: float | None = None,
    ) -> None:
        """Fill the columns of a catalogue.

        Parameters
        ----------
        catalog
            Rows to measure; its schema has the fields of `add_fields`.
        exposure
            Background-subtracted exposure; it is not changed.
        footprints
            Footprints of the rows, in order; by default those of the catalogue.
        noise_image
            Image to take the replacement noise from.
        exposure_id
            Seeds the replacement noise; by default `exposure.id`.
        begin_order, end_order
            Run the plugins with `begin_order <= order < end_order` only.

        Raises
        ------
        InputError
            The catalogue lacks columns, the footprints do not fit the catalogue, or the exposure lacks what a plugin needs.
        """
        expected = Schema.source()
        self.add_fields(expected)
        missing = [field.name for field in expected if field.name not in catalog.schema]
        if missing:
            raise InputError(
                f"the catalogue lacks {len(missing)} columns, the first of them {missing[0]}; make it with measurement_schema(config)"
            )
        catalog.metadata.update({key: value for plugin in self.plugins for key, value in plugin.metadata().items()})
        if not len(catalog):
            return
        heavy = None
        if footprints is None:
            footprints = getattr(catalog.footprints, "arrays", None)
        if footprints is None:
            from skysift.footprint import flatten_footprints

            heavy = list(catalog.footprints)
            footprints = flatten_footprints(heavy)
        if len(footprints.span_offset) != len(catalog) + 1:
            raise InputError(f"{len(footprints.span_offset) - 1} footprints for a catalogue of {len(catalog)} sources")
        # Read-only arrays would make the kernels compile anew.
        image = np.require(exposure.image.array, np.float32, ["C", "W"])
        variance = np.require(exposure.variance.array, np.float32, ["C", "W"])
        mask = np.require(exposure.mask.array, np.int32, ["C", "W"])
        pixels = source_pixels(image, exposure.xy0.x, exposure.xy0.y, footprints, *_families(catalog, heavy))
        seed = exposure.id if exposure_id is None else exposure_id
        noise = None
        if self.config.doReplaceWithNoise:
            level = None if noise_image is None else np.asarray(getattr(noise_image, "array", noise_image), np.float32)
            noise = hide_sources(image, variance, pixels.spans, self.config.noiseReplacer, seed, exposure.metadata, level)
            catalog.metadata.update(
                NOISE_SEED_MULTIPLIER=self.config.noiseReplacer.noiseSeedMultiplier,
                NOISE_SOURCE=self.config.noiseReplacer.noiseSource,
                NOISE_OFFSET=self.config.noiseReplacer.noiseOffset,
                NOISE_EXPOSURE_ID=seed or 0,
            )
        overlay = make_overlay(image, pixels, noise)
        peaks = _first_peaks(footprints)
        columns: dict[str, np.ndarray] = {}
        for begin in range(0, len(catalog), BLOCK):
            rows = slice(begin, min(begin + BLOCK, len(catalog)))
            view = overlay._replace(first=overlay.first[rows], last=overlay.last[rows], start=overlay.start[rows])
            spans = pixels.offset[rows.start : rows.stop + 1]
            self._run_plugins(Batch(exposure, catalog, rows, view, variance, mask, spans, peaks[rows], columns), begin_order, end_order)

    def _run_plugins(self, batch: Batch, begin_order: float | None, end_order: float | None) -> None:
        for plugin in self.plugins:
            order = entry(plugin.name).order
            skipped = (begin_order is not None and order < begin_order) or (end_order is not None and order >= end_order)
            if skipped or not plugin.config.doMeasure:
                continue
            try:
                # NaN is normal input, and what becomes of it is said by flags.
                with np.errstate(all="ignore"):
                    plugin.measure(batch)
            except (MemoryError, InputError):
                raise
            except Exception:
                log.warning("plugin %s failed on %d sources", plugin.name, len(batch), exc_info=True)
                plugin.fail(batch)
            if plugin.name == self.config.slots.centroid:
                batch.forget("position", "psf_stamps")
            if plugin.name == self.config.slots.shape:
                batch.forget("shape")
        batch["base_InvalidPsf_flag"] = batch.invalid_psf


def _first_peaks(footprints: FootprintArrays) -> np.ndarray:
    """Give the first peak of each footprint, PARENT, NaN where there is none: float64 (n, 2)."""
    first = np.asarray(footprints.peak_offset[:-1], np.int64)
    has_peak = np.asarray(footprints.peak_offset[1:]) > first
    peaks = np.full((len(first), 2), np.nan)
    peaks[has_peak, 0] = footprints.peaks["f_x"][first[has_peak]]
    peaks[has_peak, 1] = footprints.peaks["f_y"][first[has_peak]]
    return peaks


def _families(catalog: SourceCatalog, heavy: Any) -> tuple[np.ndarray | None, Any]:
    """Give the row of each source's parent (None if there are no children) and the footprints that may hold pixels."""
    parent = catalog["parent"]
    if not parent.any():
        return None, heavy if heavy is not None and any(hasattr(footprint, "image_array") for footprint in heavy) else None
    row = {id: i for i, id in enumerate(catalog["id"].tolist())}
    return np.array([row.get(id, -1) if id else -1 for id in parent.tolist()], np.int64), heavy


def add_measurement_fields(schema: Schema, config: MeasurementConfig | None = None) -> None:
    """Add the slots and the columns of all active plugins to a schema.

    Parameters
    ----------
    schema
        Schema from which no catalogue has been made yet.
    config
        Which plugins; None for the defaults.
    """
    Measurement(config).add_fields(schema)


def measurement_schema(config: MeasurementConfig | None = None) -> Schema:
    """Make the source schema with the columns of all active plugins.

    Parameters
    ----------
    config
        Which plugins; None for the defaults.

    Returns
    -------
    schema
        id, coord_ra, coord_dec, parent and the measurements.
    """
    schema = Schema.source()
    add_measurement_fields(schema, config)
    return schema


def measure(
    exposure: Exposure,
    catalog: SourceCatalog,
    config: MeasurementConfig | None = None,
    footprints: FootprintArrays | None = None,
    **options: Any,
) -> None:
    """Measure the sources of a catalogue: fill the columns of all active plugins.

    Parameters
    ----------
    exposure
        Background-subtracted exposure; it is not changed.
    catalog
        Rows to measure, made with `measurement_schema(config)`.
    config
        Which plugins; None for the defaults.
    footprints
        Footprints of the rows, in order; by default those of the catalogue.
    options
        `noise_image`, `exposure_id`, `begin_order`, `end_order`: see `Measurement.run`.

    Raises
    ------
    InputError
        The catalogue lacks columns, the footprints do not fit the catalogue, or the exposure lacks what a plugin needs.
    """
    Measurement(config).run(catalog, exposure, footprints=footprints, **options)
