"""`skysift simulate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click


@click.command("simulate")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("."), show_default=True, help="Folder to write to."
)
@click.option("--visits", type=click.IntRange(1), default=1, show_default=True, help="Exposures of the same sky.")
@click.option("--size", type=click.IntRange(1), default=1024, show_default=True, help="Side of the square image, pixels.")
@click.option("--stars", type=click.IntRange(0), default=90, show_default=True, help="Stars per 1024 x 1024 pixels.")
@click.option("--galaxies", type=click.IntRange(0), default=420, show_default=True, help="Galaxies per 1024 x 1024 pixels.")
@click.option("--fwhm", type=click.FloatRange(1.0), default=3.6, show_default=True, help="Seeing at the field centre, pixels.")
@click.option("--sky", type=click.FloatRange(0.0), default=800.0, show_default=True, help="Sky, electrons per pixel.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the sky and the noise.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(output: Path, visits: int, size: int, stars: int, galaxies: int, fwhm: float, sky: float, seed: int, quiet: bool) -> None:
    """Make simulated exposures with truth.

    Writes visit_1.fits, visit_2.fits, ... (image, mask, variance, WCS) and visit_1.truth.parquet, ...

    \b
    Examples:
      skysift simulate -o night --visits 3
      skysift simulate --size 2048 --seed 7
    """
    from skysift.io import write_catalog, write_exposure
    from skysift.io.catalog import catalog_from_columns
    from skysift.simulate import TRUTH_COLUMNS, SceneConfig, simulate

    output.mkdir(parents=True, exist_ok=True)
    for visit in range(1, visits + 1):
        config = SceneConfig(width=size, height=size, stars=stars, galaxies=galaxies, fwhm=fwhm, sky=sky, seed=seed, visit=visit)
        exposure, truth = simulate(config)
        write_exposure(exposure, output / f"visit_{visit}.fits")
        columns = {name: (values, *TRUTH_COLUMNS[name]) for name, values in truth.items()}
        write_catalog(catalog_from_columns(columns, asdict(config)), output / f"visit_{visit}.truth.parquet")
        if not quiet:
            click.echo(f"visit_{visit}.fits: {len(truth['id'])} sources", err=True)
