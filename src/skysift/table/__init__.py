"""Catalogues: a schema of named fields, numpy columns, light row views, identifiers and positional matching."""

from __future__ import annotations

from skysift.table.catalog import SourceCatalog, SourceRecord
from skysift.table.ids import IdFactory
from skysift.table.matching import match_radec, match_xy
from skysift.table.schema import AliasMap, Field, FieldError, Schema

__all__ = ["AliasMap", "Field", "FieldError", "IdFactory", "Schema", "SourceCatalog", "SourceRecord", "match_radec", "match_xy"]
