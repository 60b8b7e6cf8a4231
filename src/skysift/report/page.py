"""Laying the figures and numbers out as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from skysift.pipeline import ProcessResult

__all__ = ["write_report"]

TEMPLATE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1280px; padding: 1.5em; color: #1c2330; background: #fff; }
h1 { font-size: 1.5em; margin: 0 0 .2em; } h2 { font-size: 1.15em; border-bottom: 1px solid #d5dae3; padding-top: 1.2em; }
img { max-width: 100%; } figure { margin: 1em 0; } figcaption { color: #556; max-width: 60em; }
.facts { display: flex; flex-wrap: wrap; gap: .6em 2em; margin: 1em 0; }
.facts div { min-width: 8em; } .facts b { display: block; font-size: 1.25em; font-weight: 600; }
table { border-collapse: collapse; } td { padding: .15em 1em .15em 0; vertical-align: top; font-variant-numeric: tabular-nums; }
nav a { margin-right: 1em; } .note { background: #fff6df; border-left: 4px solid #e0a800; padding: .5em 1em; }
details pre { font-size: 12px; overflow-x: auto; }
@media (prefers-color-scheme: dark) { body { background: #14171d; color: #d8dde6; } figcaption { color: #99a; } img { background: #fff; } .note { background: #3a3117; } }
</style></head><body>
<h1>{{ title }}</h1><div>{{ subtitle }}</div>
<nav>{% for page in pages %}<a href="#p{{ loop.index }}">{{ page.name }}</a>{% endfor %}</nav>
{% for page in pages %}
<section id="p{{ loop.index }}">{% if pages|length > 1 %}<h1>{{ page.name }}</h1>{% endif %}
<div class="facts">{% for name, value in page.facts %}<div><b>{{ value }}</b>{{ name }}</div>{% endfor %}</div>
{% for note in page.notes %}<p class="note">{{ note }}</p>{% endfor %}
{% for figure in page.figures %}<h2>{{ figure.title }}</h2><figure><img src="data:image/png;base64,{{ figure.png }}" alt="{{ figure.title }}">
<figcaption>{{ figure.caption }}</figcaption></figure>{% endfor %}
<h2>Where the time went</h2><table>{% for name, seconds in page.timings %}<tr><td>{{ name }}</td><td>{{ "%.2f s"|format(seconds) }}</td></tr>{% endfor %}</table>
<details><summary>Configuration and versions</summary><pre>{{ page.configuration }}</pre></details>
</section>{% endfor %}
</body></html>
"""


def _figures(result: ProcessResult, truth: Mapping[str, np.ndarray] | None) -> Iterator[tuple[str, str, Figure | None]]:
    from skysift.report import figures

    exposure, catalog = result.exposure, result.catalog
    yield (
        "Image and sources",
        "Left: the image. Right: what was found, each source as the ellipse of its moments, with masked pixels in colour.",
        figures.field_figure(exposure, catalog),
    )
    yield (
        "A closer look",
        "The part of the image with most sources, pixel for pixel. Blue: footprints.",
        figures.zoom_figure(exposure, catalog),
    )
    yield (
        "Background",
        "Left: the model that was subtracted. Right: all pixels after subtraction; the left half should follow the Gaussian.",
        figures.background_figure(result.background.image(), exposure.image),
    )
    yield (
        "PSF across the field",
        "Size and ellipticity of the PSF model, and the stars it was fitted to.",
        figures.psf_figure(exposure, catalog),
    )
    yield (
        "PSF residuals",
        "Stars and the PSF of a fit that did not see them, when some were reserved: structure in the bottom row is what the model misses.",
        figures.residual_figure(result),
    )
    yield (
        "Stars and galaxies",
        "Stars lie on a level line in size, and at zero in the difference of PSF and model magnitude.",
        figures.size_figure(exposure, catalog),
    )
    yield "Counts and depth", "Number counts turn over where detection becomes incomplete.", figures.counts_figure(exposure, catalog)
    if truth is not None:
        yield (
            "Completeness against truth",
            "Fraction of the simulated objects with a source within 2.5 pixels.",
            figures.completeness_figure(result, truth),
        )
        yield (
            "Errors against truth",
            "Pulls of the stars of S/N above 10: with honest errors they follow the red curve.",
            figures.pull_figure(result, truth),
        )


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return base64.b64encode(buffer.getvalue()).decode()


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    counts, psf = summary.get("counts", {}), summary.get("psf", {})
    facts = [("sources", str(counts.get("sources", 0)))]
    if psf.get("fwhm") is not None:
        facts.append(("PSF FWHM (pixels)", f"{psf['fwhm']:.2f}"))
    if psf.get("n_used"):
        facts.append(("stars in the PSF", f"{psf['n_used']} used, {psf.get('n_reserved', 0)} reserved"))
    if psf.get("reserved_size_residual") is not None:
        facts.append(("size of reserved stars minus model, dT/T", f"{psf['reserved_size_residual']:+.4f}"))
    background = summary.get("background", {})
    if background.get("mean") is not None:
        facts.append(("background (counts)", f"{background['mean']:.5g}"))
    if background.get("noise") is not None:
        facts.append(("noise (counts)", f"{background['noise']:.4g}"))
    if background.get("correlated_noise", 1.0) > 1.0:
        facts.append(("noise of the filtered image over that of independent pixels", f"{background['correlated_noise']:.2f}"))
    if summary.get("depth_5sigma") is not None:
        facts.append((summary.get("depth_label", "5 sigma depth"), f"{summary['depth_5sigma']:.4g}"))
    return facts


def write_report(
    results: Mapping[str, ProcessResult],
    path: Path | str,
    *,
    title: str = "",
    truths: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> Path:
    """Write the report of one or more processed images.

    Parameters
    ----------
    results
        Name of each image and what `skysift.pipeline.process` returned for it.
    path
        HTML file; written to a temporary name, then renamed.
    title
        Heading; the images' names when empty.
    truths
        Simulated truth by the name of the image (see `skysift.simulate.Truth`); adds completeness and pulls.

    Returns
    -------
    path
    """
    import jinja2

    from skysift import __version__

    path = Path(path)
    pages = []
    for name, result in results.items():
        truth = (truths or {}).get(name)
        pages.append(
            {
                "name": name,
                "facts": _facts(result.summary),
                "notes": result.summary.get("warnings", []),
                "figures": [{"title": t, "caption": c, "png": _png(f)} for t, c, f in _figures(result, truth) if f is not None],
                "timings": list(result.timings.items()),
                "configuration": result.configuration,
            }
        )
    environment = jinja2.Environment(autoescape=True)
    html = environment.from_string(TEMPLATE).render(title=title or ", ".join(results), subtitle=f"Skysift {__version__}", pages=pages)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(html, encoding="utf-8")
    temporary.replace(path)
    return path
