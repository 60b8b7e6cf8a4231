"""`skysift process`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from skysift.cli.common import image_options, read_image, run_command


def process_image(
    image: Path,
    folder: Path,
    stem: str,
    *,
    reading: dict[str, Any] | None = None,
    overrides: tuple[str, ...] = (),
    config_files: tuple[str, ...] = (),
    fit_psf: bool = False,
    report: bool = True,
    on_stage: Callable[[str], None] = lambda name: None,
) -> str:
    """Process one file and write all products.

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
    fit_psf
        Whether to fit the PSF even if the file carries one.
    report
        Whether to write the report.
    on_stage
        Called with the name of each stage.

    Returns
    -------
    line
        What to tell the user.
    """
    import time

    exposure, seconds = read_image(image, reading, on_stage)
    if fit_psf:
        exposure.psf = exposure.ap_corr_map = None

    from skysift.pipeline import ProcessConfig, apply_overrides, process, write_products

    config = ProcessConfig()
    apply_overrides(config, overrides, config_files)
    result = process(exposure, config, listener=on_stage)
    result.summary["input"] = str(image)
    result.timings = {"reading": seconds, **result.timings}
    on_stage("writing")
    start = time.process_time()
    paths = write_products(result, folder, stem)
    result.timings["writing"] = time.process_time() - start
    if report:
        from skysift.report import write_report

        on_stage("report")
        paths.append(write_report({stem: result}, folder / f"{stem}.report.html", title=image.name))
    return f"{image}: {len(result.catalog)} sources, FWHM {result.summary['psf']['fwhm']:.2f} px -> {paths[-1]}"


@click.command("process")
@image_options
@click.option("--fit-psf", is_flag=True, help="Fit the PSF even if the file carries one.")
@click.option("--no-report", is_flag=True, help="Write no report.")
@click.pass_context
def command(ctx: click.Context, fit_psf: bool, no_report: bool, **options: Any) -> int:
    """Images in, catalogues out: background, PSF model, sources, measurements, report.

    Writes <stem>.exposure.fits, <stem>.catalog.parquet, <stem>.summary.json and <stem>.report.html. No option is needed.

    \b
    Examples:
      skysift process image.fits
      skysift process night/*.fits -o results -j 2
      skysift process image.fits --weight weight.fits --psf psf.fits
      skysift process image.fits -c detection.threshold=4
      skysift process image.fits --show-config
    """
    return run_command(ctx, "ProcessConfig", process_image, options, fit_psf=fit_psf, report=not no_report)
