"""`skysift doctor`."""

from __future__ import annotations

import click

LIBRARIES = ("numpy", "scipy", "numba", "astropy", "pyarrow", "matplotlib", "click", "rich", "jinja2", "lsst-pex-config", "lsst-pipe-base")


def _compiled_folder_is_writable() -> tuple[bool, str]:
    import os
    from pathlib import Path

    import skysift.kernels

    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(skysift.kernels.__file__).parent / "__pycache__")
    probe = folder if folder.exists() else folder.parent
    return os.access(probe, os.W_OK), str(folder)


def _warm() -> float:
    """Run both commands' paths on a small simulated image, which compiles every kernel they use."""
    import time

    from skysift.pipeline import detect, process
    from skysift.simulate import SceneConfig, simulate

    start = time.perf_counter()
    for run in (process, detect):
        exposure, _ = simulate(SceneConfig(width=600, height=600, stars=300, galaxies=300))
        run(exposure)
    return time.perf_counter() - start


@click.command("doctor")
@click.option("--warm", is_flag=True, help="Compile the kernels now, so that the first image does not wait for it.")
def command(warm: bool) -> int:
    """Check the installation: versions, the place of the compiled kernels, a small run.

    \b
    Examples:
      skysift doctor
      skysift doctor --warm
    """
    import importlib.metadata
    import os
    import platform

    click.echo(f"skysift {importlib.metadata.version('skysift')} on Python {platform.python_version()}, {os.cpu_count()} cores")
    problems = 0
    for name in LIBRARIES:
        try:
            click.echo(f"  {name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            click.echo(f"  {name} is missing: pip install {name}")
            problems += 1
    writable, folder = _compiled_folder_is_writable()
    if writable:
        click.echo(f"compiled kernels are kept in {folder}")
    else:
        click.echo(f"{folder} cannot be written: kernels compile anew in every process; set NUMBA_CACHE_DIR to a folder of yours")
        problems += 1
    if warm:
        click.echo(f"small simulated image processed in {_warm():.1f} s")
    click.echo("all is well" if problems == 0 else f"{problems} problem(s) found")
    return 0 if problems == 0 else 1
