"""The pictures by which an astronomer judges a processed image. Each function returns a matplotlib Figure, or None when there is nothing to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skysift.display import draw_image, draw_mask, draw_sources, reduce_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from skysift.image import Exposure, Image
    from skysift.pipeline import ProcessResult
    from skysift.table import SourceCatalog

__all__ = [
    "background_figure",
    "completeness_figure",
    "counts_figure",
    "field_figure",
    "psf_figure",
    "pull_figure",
    "residual_figure",
    "size_figure",
]


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def magnitudes(exposure: Exposure, flux: np.ndarray) -> tuple[np.ndarray, str]:
    """Magnitudes for the axes of the figures.

    Parameters
    ----------
    exposure
        Gives the calibration, if it has one.
    flux
        (n,) instrumental fluxes, counts.

    Returns
    -------
    mag
        (n,) float64; NaN where the flux is not positive.
    label
        Of the axis: AB magnitudes, or instrumental ones.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        if exposure.photo_calib is not None:
            return np.asarray(exposure.photo_calib.inst_flux_to_magnitude(np.where(flux > 0, flux, np.nan))), "PSF magnitude (AB)"
        return np.where(flux > 0, -2.5 * np.log10(flux), np.nan), "instrumental PSF magnitude"


def field_figure(exposure: Exposure, catalog: SourceCatalog) -> Figure:
    """The image, and beside it the image with its mask and sources."""
    figure, (plain, marked) = _figure(15, 7.6, 2)
    draw_image(plain, exposure.image)
    plain.set_title("image, background subtracted")
    draw_image(marked, exposure.image)
    planes = [p for p in ("SAT", "BAD", "CR", "NO_DATA") if p in exposure.mask.planes]
    draw_mask(marked, exposure.mask, planes)
    draw_sources(marked, catalog)
    marked.set_title(f"{len(catalog)} sources")
    return figure


def zoom_figure(exposure: Exposure, catalog: SourceCatalog, size: int = 300) -> Figure | None:
    """The part of the image where most sources are, pixel for pixel, with footprints and sources."""
    from skysift.display import draw_footprints

    if max(exposure.image.shape) <= size or len(catalog) == 0:
        return None
    x, y = np.asarray(catalog.x), np.asarray(catalog.y)
    box = exposure.bbox
    edges = [np.arange(a, b + size, size) for a, b in ((box.min_x, box.max_x), (box.min_y, box.max_y))]
    counts, _, _ = np.histogram2d(x[np.isfinite(x) & np.isfinite(y)], y[np.isfinite(x) & np.isfinite(y)], bins=edges)
    i, j = np.unravel_index(int(np.argmax(counts)), counts.shape)
    x0 = int(min(edges[0][i], box.max_x - size + 1))
    y0 = int(min(edges[1][j], box.max_y - size + 1))
    figure, (plain, marked) = _figure(15, 7.6, 2)
    part = exposure[x0 : x0 + size, y0 : y0 + size]
    for axes in (plain, marked):
        draw_image(axes, part.image)
    inside = (x >= x0) & (x < x0 + size) & (y >= y0) & (y < y0 + size)
    rows = np.flatnonzero(inside)
    draw_footprints(marked, [f for f in (catalog.footprints[k] for k in rows) if f is not None])
    draw_sources(marked, catalog[rows])
    for axes in (plain, marked):
        axes.set_xlim(x0 - 0.5, x0 + size - 0.5)
        axes.set_ylim(y0 - 0.5, y0 + size - 0.5)
    plain.set_title("the busiest part")
    marked.set_title("footprints and sources")
    return figure


def background_figure(background: Image, residual: Image) -> Figure:
    """The background model, and the histogram of what is left in units of the noise."""
    figure, (model, left) = _figure(13, 5.5, 2)
    array, _ = reduce_image(background.array, 500)
    x0, y0 = background.xy0
    height, width = background.array.shape
    shown = model.imshow(array, origin="lower", extent=(x0 - 0.5, x0 + width - 0.5, y0 - 0.5, y0 + height - 0.5), cmap="viridis")
    figure.colorbar(shown, ax=model, label="counts per pixel")
    model.set_title("background")
    values = residual.array[:: max(1, height // 1000), :: max(1, width // 1000)].ravel()
    values = values[np.isfinite(values)]
    if values.size:
        low, middle, high = np.percentile(values, [25, 50, 75])
        noise = max(0.7413 * (high - low), 1e-12)
        bins = np.linspace(-6, 10, 161)
        left.hist((values - middle) / noise, bins=list(bins), density=True, histtype="step", color="k")
        left.plot(bins, np.exp(-0.5 * bins**2) / np.sqrt(2 * np.pi), color="#d62728", lw=1, label="Gaussian")
        left.set_yscale("log")
        left.set_ylim(1e-5, 1.0)
        left.legend()
        left.set_title(f"pixels after subtraction: median {middle:.3g}, noise {noise:.3g} counts")
    left.set_xlabel("(pixel - median) / noise")
    return figure


def psf_figure(exposure: Exposure, catalog: SourceCatalog) -> Figure | None:
    """Size and ellipticity of the PSF across the field, with the stars that made it."""
    psf = exposure.psf
    if psf is None:
        return None
    figure, (size, whisker, picture) = _figure(17, 5.2, 3)
    box = exposure.bbox
    gx, gy = np.meshgrid(np.linspace(box.min_x, box.max_x, 15), np.linspace(box.min_y, box.max_y, 15))
    ixx, iyy, ixy = np.asarray(psf.shapes(gx.ravel(), gy.ravel())).T
    fwhm = 2.3548 * (ixx * iyy - ixy**2) ** 0.25
    extent = (box.min_x - 0.5, box.max_x + 0.5, box.min_y - 0.5, box.max_y + 0.5)
    shown = size.imshow(fwhm.reshape(gx.shape), origin="lower", extent=extent, cmap="magma")
    figure.colorbar(shown, ax=size, label="FWHM (pixels)")
    size.set_title(f"PSF FWHM {np.nanmedian(fwhm):.2f} pixels")
    trace = ixx + iyy
    e1, e2 = (ixx - iyy) / trace, 2.0 * ixy / trace
    e, angle = np.hypot(e1, e2), 0.5 * np.arctan2(e2, e1)
    length = e * max(box.width, box.height) / 15.0 / 0.05
    dx, dy = 0.5 * length * np.cos(angle), 0.5 * length * np.sin(angle)
    whisker.plot(np.stack([gx.ravel() - dx, gx.ravel() + dx]), np.stack([gy.ravel() - dy, gy.ravel() + dy]), color="k", lw=1)
    for flag, colour, marker in (("calib_psf_used", "#1f77b4", "."), ("calib_psf_reserved", "#d62728", "x")):
        if flag in catalog.schema:
            chosen = np.asarray(catalog[flag])
            whisker.plot(
                np.asarray(catalog.x)[chosen], np.asarray(catalog.y)[chosen], marker, color=colour, ms=5, label=f"{flag} ({chosen.sum()})"
            )
    if whisker.get_legend_handles_labels()[0]:
        whisker.legend(fontsize="x-small", loc="upper right")
    whisker.set_aspect("equal")
    whisker.set_title(f"ellipticity, median {np.nanmedian(e):.3f} (one grid step = 0.05)")
    kernel = psf.kernel_image()
    half = kernel.array.shape[0] // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log10(np.maximum(kernel.array / kernel.array.max(), 1e-5))
    shown = picture.imshow(logarithm, origin="lower", extent=(-half - 0.5, half + 0.5, -half - 0.5, half + 0.5), cmap="inferno")
    figure.colorbar(shown, ax=picture, label="log10 (PSF / peak)")
    picture.set_title("PSF at the average position")
    return figure


def residual_figure(result: ProcessResult, most: int = 9) -> Figure | None:
    """Reserved stars with the PSF of the fit that had not seen them (or the used ones when none was reserved): data, model and residual."""
    exposure, catalog = result.exposure, result.catalog
    psf = result.check_psf or exposure.psf
    if psf is None:
        return None
    name = "calib_psf_reserved" if "calib_psf_reserved" in catalog.schema and np.any(catalog["calib_psf_reserved"]) else "calib_psf_used"
    flux_name = catalog.slot("PsfFlux")
    if name not in catalog.schema or flux_name is None:
        return None
    flux = np.asarray(catalog[f"{flux_name}_instFlux"])
    x, y = np.asarray(catalog.x), np.asarray(catalog.y)
    rows = np.flatnonzero(np.asarray(catalog[name]) & np.isfinite(flux) & (flux > 0) & np.isfinite(x) & np.isfinite(y))
    if rows.size == 0:
        return None
    rows = rows[np.argsort(-flux[rows])]
    stamps, x0, y0 = psf.stamps(x[rows], y[rows])
    side = stamps.shape[-1]
    ox, oy = exposure.xy0
    data, model = [], []
    for k in range(rows.size):
        i, j = int(x0[k]) - ox, int(y0[k]) - oy
        cut = exposure.image.array[max(j, 0) : j + side, max(i, 0) : i + side]
        if i < 0 or j < 0 or cut.shape != (side, side) or not np.isfinite(cut).all():
            continue
        p = stamps[k].astype(np.float64)
        # The amplitude that fits these pixels best: the picture judges the shape of the model, not the photometry.
        data.append(cut / ((cut * p).sum() / (p * p).sum()))
        model.append(p)
    if not data:
        return None
    from matplotlib.figure import Figure

    shown = min(most, len(data))
    figure = Figure(figsize=(1.6 * (shown + 1) + 1, 5.4), layout="constrained")
    axes = figure.subplots(3, shown + 1, squeeze=False)
    middle_data, middle_model = np.median(data, axis=0), np.median(model, axis=0)
    top = middle_model.max()
    columns = [(middle_data, middle_model)] + list(zip(data, model))[:shown]
    for column, (d, m) in enumerate(columns):
        for row, picture in enumerate((d, m, d - m)):
            span = (-0.02 * top, top) if row < 2 else (-0.03 * top, 0.03 * top)
            cmap = "gray" if row < 2 else "RdBu_r"
            drawn = axes[row, column].imshow(picture, origin="lower", cmap=cmap, vmin=span[0], vmax=span[1])
            axes[row, column].set_xticks([])
            axes[row, column].set_yticks([])
        axes[0, column].set_title("median of all" if column == 0 else f"star {column}", fontsize="small")
    for row, label in enumerate(("data", "model", "data - model")):
        axes[row, 0].set_ylabel(label)
    figure.colorbar(drawn, ax=list(axes[2]), shrink=0.8, label="per star flux")
    figure.suptitle(
        f"{'reserved' if name.endswith('reserved') else 'used'} stars: {len(data)}; residual scale is 3 % of the peak", fontsize="small"
    )
    return figure


def size_figure(exposure: Exposure, catalog: SourceCatalog) -> Figure | None:
    """Size against magnitude, where stars make a level line, and the star/galaxy measure against magnitude."""
    shape, flux_name = catalog.slot("Shape"), catalog.slot("PsfFlux")
    if shape is None or flux_name is None or len(catalog) == 0:
        return None
    mag, label = magnitudes(exposure, np.asarray(catalog[f"{flux_name}_instFlux"]))
    with np.errstate(invalid="ignore"):
        radius = np.sqrt(0.5 * (np.asarray(catalog[f"{shape}_xx"]) + np.asarray(catalog[f"{shape}_yy"])))
    figure, (size, classes) = _figure(14, 5.5, 2)
    size.plot(mag, radius, ".", color="0.5", ms=3, label="all")
    for flag, colour in (("calib_psf_candidate", "#ff7f0e"), ("calib_psf_used", "#1f77b4"), ("calib_psf_reserved", "#d62728")):
        if flag in catalog.schema and np.any(catalog[flag]):
            chosen = np.asarray(catalog[flag])
            size.plot(mag[chosen], radius[chosen], "o", color=colour, ms=4, mfc="none", label=flag)
    finite = radius[np.isfinite(radius)]
    if finite.size:
        # Moments of faint sources in a crowd have no bounds.
        widest = np.inf if exposure.psf is None else 8.0 * float(exposure.psf.sigma())
        size.set_ylim(0, min(1.3 * float(np.percentile(finite, 95)), widest))
    size.set_xlabel(label)
    size.set_ylabel("size, sqrt((Ixx + Iyy) / 2) (pixels)")
    size.legend(fontsize="small")
    model = catalog.slot("ModelFlux")
    if model is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = 2.5 * np.log10(np.asarray(catalog[f"{model}_instFlux"]) / np.asarray(catalog[f"{flux_name}_instFlux"]))
        classes.plot(mag, ratio, ".", color="0.4", ms=3)
        classes.axhline(0, color="#1f77b4", lw=0.8)
        classes.set_ylim(-0.5, 1.5)
        classes.set_ylabel("PSF - model magnitude (stars at 0)")
    classes.set_xlabel(label)
    return figure


def counts_figure(exposure: Exposure, catalog: SourceCatalog) -> Figure | None:
    """Number counts, and the flux error against magnitude."""
    flux_name = catalog.slot("PsfFlux")
    if flux_name is None or len(catalog) == 0:
        return None
    flux, error = (np.asarray(catalog[f"{flux_name}_{s}"]) for s in ("instFlux", "instFluxErr"))
    mag, label = magnitudes(exposure, flux)
    finite = mag[np.isfinite(mag)]
    if finite.size == 0:
        return None
    figure, (counts, depth) = _figure(14, 4.5, 2)
    counts.hist(finite, bins=list(np.arange(np.floor(finite.min()), np.ceil(finite.max()) + 0.25, 0.25)), histtype="step", color="k")
    counts.set_yscale("log")
    counts.set_xlabel(label)
    counts.set_ylabel("sources per 0.25 mag")
    with np.errstate(invalid="ignore", divide="ignore"):
        depth.plot(mag, flux / error, ".", color="0.4", ms=3)
    depth.axhline(5, color="#d62728", lw=0.8)
    depth.set_yscale("log")
    depth.set_xlabel(label)
    depth.set_ylabel("PSF flux / error")
    return figure


def _match_truth(result: ProcessResult, truth: Mapping[str, np.ndarray], radius: float = 2.5) -> np.ndarray:
    """Index of the nearest source within `radius` pixels of each true one, or -1."""
    from scipy.spatial import cKDTree

    x, y = np.asarray(result.catalog.x), np.asarray(result.catalog.y)
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if good.size == 0:
        return np.full(len(truth["x"]), -1)
    distance, index = cKDTree(np.column_stack([x, y])[good]).query(np.column_stack([truth["x"], truth["y"]]))
    return np.where(distance < radius, good[np.minimum(index, good.size - 1)], -1)


def completeness_figure(result: ProcessResult, truth: Mapping[str, np.ndarray]) -> Figure:
    """Fraction of the true point sources and galaxies that were found."""
    found = _match_truth(result, truth) >= 0
    figure, (by_snr, by_mag) = _figure(14, 4.8, 2)
    for axes, column, edges in ((by_snr, "snr", np.geomspace(2, 100, 14)), (by_mag, "mag", np.arange(18, 26.1, 0.5))):
        for is_star, colour, label in ((True, "#1f77b4", "stars"), (False, "#ff7f0e", "galaxies")):
            chosen = np.asarray(truth["is_star"]) == is_star
            which = np.digitize(truth[column], edges) - 1
            n = np.bincount(which[chosen & (which >= 0)], minlength=edges.size)[: edges.size - 1]
            k = np.bincount(which[chosen & found & (which >= 0)], minlength=edges.size)[: edges.size - 1]
            with np.errstate(invalid="ignore"):
                fraction = np.where(n > 0, k / np.maximum(n, 1), np.nan)
                error = np.sqrt(np.maximum(fraction * (1 - fraction), 0.25 / np.maximum(n, 1)) / np.maximum(n, 1))
            middle = 0.5 * (edges[1:] + edges[:-1])
            axes.errorbar(middle, fraction, error, fmt="o-", color=colour, ms=4, lw=1, label=label)
        axes.set_ylim(0, 1.05)
        axes.set_ylabel("completeness")
        axes.legend()
    by_snr.set_xscale("log")
    by_snr.axvline(5, color="0.6", lw=0.8)
    by_snr.set_xlabel("true S/N as a point source")
    by_mag.set_xlabel("true magnitude")
    return figure


def pull_figure(result: ProcessResult, truth: Mapping[str, np.ndarray]) -> Figure | None:
    """Errors of position and flux of the stars against what the catalogue claims."""
    catalog = result.catalog
    flux_name, centroid = catalog.slot("PsfFlux"), catalog.slot("Centroid")
    index = _match_truth(result, truth)
    # Near the threshold only the lucky ones are found, and their fluxes are too high by that selection alone.
    stars = np.flatnonzero(np.asarray(truth["is_star"]) & (index >= 0) & (np.asarray(truth["snr"]) > 10))
    if stars.size == 0 or flux_name is None or centroid is None:
        return None
    rows = index[stars]
    gain = float(result.exposure.gain or 1.0)
    flux, error = (np.asarray(catalog[f"{flux_name}_{s}"])[rows] for s in ("instFlux", "instFluxErr"))
    clean = ~np.asarray(catalog[f"{flux_name}_flag"])[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = (flux - np.asarray(truth["flux"])[stars] / gain) / error
        dx = (np.asarray(catalog.x)[rows] - np.asarray(truth["x"])[stars]) / np.asarray(catalog[f"{centroid}_xErr"])[rows]
        offset = -2.5 * np.log10(flux * gain / np.asarray(truth["flux"])[stars])
    figure, (fluxes, positions, accuracy) = _figure(17, 4.8, 3)
    bins = np.linspace(-6, 6, 49)
    gauss = np.exp(-0.5 * bins**2) / np.sqrt(2 * np.pi)
    for axes, values, label in ((fluxes, pull, "(PSF flux - truth) / error"), (positions, dx, "(x - truth) / error")):
        values = values[clean & np.isfinite(values)]
        if values.size:
            width = 1.4826 * np.median(np.abs(values - np.median(values)))
            axes.hist(values, bins=list(bins), density=True, histtype="step", color="k")
            axes.set_title(f"{values.size} stars: median {np.median(values):+.2f}, width {width:.2f}")
        axes.plot(bins, gauss, color="#d62728", lw=1)
        axes.set_xlabel(label)
    accuracy.plot(np.asarray(truth["mag"])[stars][clean], offset[clean], ".", color="0.4", ms=4)
    accuracy.axhline(0, color="#d62728", lw=0.8)
    accuracy.set_ylim(-0.5, 0.5)
    accuracy.set_xlabel("true magnitude")
    accuracy.set_ylabel("measured - true magnitude")
    return figure
