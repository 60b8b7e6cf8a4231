"""`skysift detect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from skysift.cli.common import image_options, read_image, run_command


def detect_image(
    image: Path,
    folder: Path,
    stem: str,
    *,
    reading: dict[str, Any] | None = None,
    overrides: tuple[str, ...] = (),
    config_files: tuple[str, ...] = (),
    regions: bool = False,
    on_stage: Callable[[str], None] = lambda name: None,
) -> str:
    """Detect the sources of one file and write catalogue and summary.

    Parameters
    ----------
    image
        FITS file.
    folder, stem
        Where the products go and what their names begin with.
    reading
        Keyword arguments of `skysift.io.read_exposure`.
    overrides, config_files
        Changes of the configuration.
    regions
        Whether to write DS9 regions as well.
    on_stage
        Called with the name of each stage.

    Returns
    -------
    line
        What to tell the user.
    """
    exposure, seconds = read_image(image, reading, on_stage)

    from skysift.pipeline import DetectConfig, apply_overrides, detect, write_products

    config = DetectConfig()
    apply_overrides(config, overrides, config_files)
    result = detect(exposure, config, listener=on_stage)
    result.timings = {"reading": seconds, **result.timings}
    on_stage("writing")
    paths = write_products(result, folder, stem, exposure=False)
    if regions:
        from skysift.io import write_regions

        write_regions(result.catalog, folder / f"{stem}.reg")
    return f"{image}: {len(result.catalog)} sources, FWHM {result.summary['psf']['fwhm']:.2f} px -> {paths[0]}"


@click.command("detect")
@image_options
@click.option("--regions", is_flag=True, help="Write DS9 regions as well.")
@click.pass_context
def command(ctx: click.Context, regions: bool, **options: Any) -> int:
    """Find and measure sources quickly, without fitting a PSF model.

    Writes <stem>.catalog.parquet and <stem>.summary.json. The PSF is the one given or found in the file, or else a Gaussian as wide as the
    stars.

    \b
    Examples:
      skysift detect image.fits
      skysift detect image.fits --psf 3.5 -c detection.threshold=4
      skysift detect image.fits --weight weight.fits -o results
      skysift detect night/*.fits -o results -j 2
    """
    return run_command(ctx, "DetectConfig", detect_image, options, regions=regions)
