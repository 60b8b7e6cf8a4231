"""`skysift show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skysift.cli.common import parse_bbox

if TYPE_CHECKING:
    from skysift.geom import Box2I


@click.command("show")
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--catalog",
    type=click.Path(path_type=Path),
    help="Catalogue to draw (default: <stem>.catalog.parquet beside the image, if it is there).",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="PNG file (default: <stem>.png in the current folder)."
)
@click.option("--window", is_flag=True, help="Open a window instead of writing a file.")
@click.option("--hdu", metavar="NAME|N", help="Extension that holds the image.")
@click.option("--bbox", callback=parse_bbox, metavar="X0,Y0,W,H", help="Draw only this part (0-based pixels).")
@click.option("--stretch", type=click.Choice(["asinh", "linear", "log"]), default="asinh", show_default=True)
@click.option("--no-mask", is_flag=True, help="Leave the mask out.")
@click.option("--footprints", is_flag=True, help="Outline the detected pixels as well.")
@click.option("--size", type=click.IntRange(2, 60), default=12, show_default=True, help="Side of the picture, inches at 100 dpi.")
def command(
    image: Path,
    catalog: Path | None,
    output: Path | None,
    window: bool,
    hdu: str | None,
    bbox: Box2I | None,
    stretch: str,
    no_mask: bool,
    footprints: bool,
    size: int,
) -> None:
    """Draw an image with its mask and sources as a PNG, or in a window.

    \b
    Examples:
      skysift show results/visit_1.exposure.fits
      skysift show image.fits --bbox 100,100,400,400 -o corner.png
      skysift show image.fits --catalog image.catalog.parquet --window
    """
    from matplotlib.figure import Figure

    from skysift.display import draw_footprints, draw_image, draw_mask, draw_sources
    from skysift.io import read_exposure
    from skysift.io.catalog import read_catalog

    exposure = read_exposure(image, hdu=hdu, bbox=bbox)
    stem = image.name.removesuffix(".fits").removesuffix(".exposure")
    if catalog is None:
        beside = image.with_name(f"{stem}.catalog.parquet")
        catalog = beside if beside.exists() else None
    if window:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(size, size), layout="constrained")
    else:
        figure = Figure(figsize=(size, size), layout="constrained", dpi=100)
    axes = figure.subplots()
    draw_image(axes, exposure.image, stretch=stretch)
    if not no_mask:
        draw_mask(axes, exposure.mask)
    if footprints:
        from skysift.footprint import FootprintSet, Threshold

        detected = exposure.mask.bitmask("DETECTED", ignore_missing=True)
        draw_footprints(axes, FootprintSet.detect(exposure.mask, Threshold(detected, "bitmask")) if detected else [])
    if catalog is not None:
        sources = read_catalog(catalog)
        x, y = sources.x, sources.y
        bounds = exposure.bbox
        draw_sources(axes, sources[(x >= bounds.min_x) & (x <= bounds.max_x) & (y >= bounds.min_y) & (y <= bounds.max_y)])
    axes.set_xlim(exposure.bbox.min_x - 0.5, exposure.bbox.max_x + 0.5)
    axes.set_ylim(exposure.bbox.min_y - 0.5, exposure.bbox.max_y + 0.5)
    axes.set_title(image.name)
    if window:
        pyplot.show()
        return
    target = output or Path(f"{stem}.png")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target)
    click.echo(str(target))
