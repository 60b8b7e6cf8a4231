"""Sphinx configuration."""

from skysift import __version__

project = "Skysift"
author = "The Skysift developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
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
