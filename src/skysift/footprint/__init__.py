"""Footprints: sets of pixels, with peaks and with pixel values."""

from skysift.footprint.arrays import FootprintArrays, flatten_footprints
from skysift.footprint.footprint import Footprint, boxes_of_footprint, merge_footprints
from skysift.footprint.footprint_set import FootprintSet
from skysift.footprint.grow import FootprintControl
from skysift.footprint.heavy import HeavyControl, HeavyFootprint, make_heavy_footprint, merge_heavy_footprints
from skysift.footprint.merge_list import FootprintMergeList
from skysift.footprint.outline import polygons_of_spans
from skysift.footprint.peaks import PEAK_DTYPE, PeakCatalog, PeakRecord, make_peaks
from skysift.footprint.spans import Span, SpanSet
from skysift.footprint.tables import from_tables, to_tables
from skysift.footprint.threshold import Threshold

__all__ = [
    "PEAK_DTYPE",
    "Footprint",
    "FootprintArrays",
    "FootprintControl",
    "FootprintMergeList",
    "FootprintSet",
    "HeavyControl",
    "HeavyFootprint",
    "PeakCatalog",
    "PeakRecord",
    "Span",
    "SpanSet",
    "Threshold",
    "boxes_of_footprint",
    "flatten_footprints",
    "from_tables",
    "make_heavy_footprint",
    "make_peaks",
    "merge_footprints",
    "merge_heavy_footprints",
    "polygons_of_spans",
    "to_tables",
]
