"""`skysift demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True, help="Folder to write to."
)
@click.option("--visits", type=click.IntRange(1), default=3, show_default=True, help="Exposures of the night.")
@click.option("--size", type=click.IntRange(256), default=1536, show_default=True, help="Side of each image, pixels.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def command(output: Path, visits: int, size: int, seed: int) -> None:
    """Simulate a small survey night, process it and write one report.

    The report compares the catalogues with what was put into the images: completeness, and the pulls of fluxes and positions.

    \b
    Examples:
      skysift demo
      skysift demo -o night --visits 2 --seed 7
    """
    from dataclasses import asdict
    from functools import partial

    from skysift.cli.common import Reporter
    from skysift.io import read_exposure, write_catalog, write_exposure
    from skysift.io.catalog import catalog_from_columns
    from skysift.pipeline import process, write_products
    from skysift.report import write_report
    from skysift.simulate import TRUTH_COLUMNS, SceneConfig, simulate

    output.mkdir(parents=True, exist_ok=True)
    results, truths = {}, {}
    with Reporter(visits) as reporter:
        for visit in range(1, visits + 1):
            name = f"visit_{visit}"
            config = SceneConfig(width=size, height=size, stars=110, seed=seed, visit=visit)
            reporter.stage(name, "simulating")
            exposure, truth = simulate(config)
            write_exposure(exposure, output / f"{name}.fits")
            columns = {column: (values, *TRUTH_COLUMNS[column]) for column, values in truth.items()}
            write_catalog(catalog_from_columns(columns, asdict(config)), output / f"{name}.truth.parquet")
            result = process(read_exposure(output / f"{name}.fits"), listener=partial(reporter.stage, name))
            reporter.stage(name, "writing")
            write_products(result, output, name)
            results[name], truths[name] = result, truth
            reporter.line(f"{name}: {len(result.catalog)} sources, FWHM {result.summary['psf']['fwhm']:.2f} px")
            reporter.advance()
        reporter.stage("report", "drawing")
        report = write_report(results, output / "report.html", title="A simulated survey night", truths=truths)
    click.echo(f"Report: {report}\nOpen it in a browser, for example: xdg-open {report}   (macOS: open {report})")
