"""Sphinx configuration."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

from skysift import __version__

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = "Skysift"
author = "The Skysift developers"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_generated/*.md"]
html_theme = "furo"
html_title = "Skysift"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
# Shapes and units stand where numpydoc expects a type, and are no references.
napoleon_preprocess_types = False
suppress_warnings = ["ref.python", "docutils"]


def _write_pages(app: Sphinx) -> None:
    from generate import write_pages

    write_pages(HERE / "_generated")


def setup(app: Sphinx) -> None:
    """Write the generated pages before any page is read."""
    app.connect("builder-inited", _write_pages)
