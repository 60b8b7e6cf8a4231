"""What the commands share: options, error lines, progress, and running many images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from skysift.errors import SkysiftError

if TYPE_CHECKING:
    from skysift.geom import Box2I
    from skysift.image import Exposure

__all__ = ["Reporter", "describe_error", "image_options", "output_paths", "parse_bbox", "read_image", "run_command", "run_images"]

F = TypeVar("F", bound=Callable[..., Any])


def describe_error(error: BaseException, subject: str = "") -> tuple[str, int]:
    """One line for the user, and the exit code.

    Parameters
    ----------
    error
        What was raised.
    subject
        The file it concerns; left out when the message names it already.

    Returns
    -------
    message, exit_code
    """
    text = " ".join(str(error).split())
    lead = f"{subject}: " if subject and subject not in text else ""
    if isinstance(error, SkysiftError):
        hint = f" ({error.hint})" if error.hint else ""
        return f"error: {lead}{text}{hint}", error.exit_code
    if isinstance(error, MemoryError):
        return f"error: {lead}not enough memory (process a cut-out with --bbox, or fewer images at once with -j 1)", 4
    if isinstance(error, OSError):
        return f"error: {lead}{error.strerror or text}{f': {error.filename}' if error.filename else ''}", 3
    return f"error: {lead}unexpected {type(error).__name__}: {text} (run again with --debug for the traceback)", 1


def _apply(options: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def parse_bbox(ctx: click.Context, param: click.Parameter, value: str | None) -> Box2I | None:
    """Turn ``X0,Y0,W,H`` into a box."""
    if value is None:
        return None
    try:
        x0, y0, width, height = (int(v) for v in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not four integers x0,y0,width,height") from None
    if width < 1 or height < 1:
        raise click.BadParameter("width and height must be positive")
    from skysift.geom import Box2I, Extent2I, Point2I

    return Box2I(Point2I(x0, y0), Extent2I(width, height))


def _parse_planes(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, int] | None:
    if value is None:
        return None
    planes = {}
    for item in value.split(","):
        name, separator, bit = item.partition("=")
        if not separator or not bit.strip().isdigit() or not name.strip():
            raise click.BadParameter(f"{item!r} is not NAME=BIT, as in BAD=0,SAT=1")
        planes[name.strip()] = int(bit)
    return planes


def _parse_hdu(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    return int(value) if value is not None and value.isdigit() else value


def image_options(function: F) -> F:
    """Add what every command on images has: the images, the output, how they are read, and the configuration."""
    path = click.Path(path_type=Path)
    folder = click.Path(path_type=Path, file_okay=False)
    return _apply(
        [
            click.argument("images", nargs=-1, required=True, type=path),
            click.option("-o", "--output", type=folder, help="Folder for the products (default: beside each image)."),
            click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Images to work on at the same time."),
            click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
            click.option(
                "--hdu", callback=_parse_hdu, metavar="NAME|N", help="Extension of the image (default: by name, then the first image)."
            ),
            click.option("--variance", type=path, help="Variance map."),
            click.option("--weight", type=path, help="Weight map (inverse variance)."),
            click.option("--rms", type=path, help="Map of the noise (standard deviation)."),
            click.option("--mask", type=path, help="Flag map."),
            click.option(
                "--mask-planes",
                callback=_parse_planes,
                metavar="NAME=BIT,...",
                help="Meaning of the mask's bits (default: non-zero is BAD).",
            ),
            click.option("--psf", metavar="FILE|FWHM", help="PSF: a FITS image, a PSFEx file, or a Gaussian's FWHM in pixels."),
            click.option("--gain", type=float, help="Electrons per count (default: from the header)."),
            click.option("--read-noise", type=float, help="Read noise in electrons (default: from the header)."),
            click.option("--bbox", callback=parse_bbox, metavar="X0,Y0,W,H", help="Read only this part of the image (0-based pixels)."),
            click.option(
                "-c", "--config", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a configuration field; repeatable."
            ),
            click.option(
                "-C",
                "--config-file",
                "config_files",
                multiple=True,
                type=click.Path(exists=True, dir_okay=False),
                help="Python file of overrides.",
            ),
            click.option("--show-config", is_flag=True, help="Print the configuration that would be used, and stop."),
        ]
    )(function)


def run_command(ctx: click.Context, config_class: str, work: Callable[..., str], options: dict[str, Any], **extra: Any) -> int:
    """Run a command that was made with `image_options`.

    Parameters
    ----------
    ctx
        Of click.
    config_class
        Name of the command's configuration in `skysift.pipeline`.
    work
        What to do to one image, see `run_images`.
    options
        The values of the options of `image_options`.
    extra
        Further arguments of `work`.

    Returns
    -------
    exit_code
    """
    images, output, jobs, quiet, show = (options.pop(name) for name in ("images", "output", "jobs", "quiet", "show_config"))
    changes = {name: options.pop(name) for name in ("overrides", "config_files")}
    if show:
        from skysift import pipeline

        config = getattr(pipeline, config_class)()
        pipeline.apply_overrides(config, changes["overrides"], changes["config_files"])
        click.echo(pipeline.configuration_lines(config))
        return 0
    shared = {"reading": options, **changes, **extra}
    todo = [
        {"image": image, "folder": folder, "stem": stem, **shared} for image, (folder, stem) in zip(images, output_paths(images, output))
    ]
    return run_images(images, work, todo, workers=jobs, quiet=quiet, debug=ctx.obj["debug"])


def read_image(image: Path, reading: dict[str, Any] | None, on_stage: Callable[[str], None]) -> tuple[Exposure, float]:
    """Read an exposure as the first stage of a command.

    Parameters
    ----------
    image
        FITS file.
    reading
        Keyword arguments of `skysift.io.read_exposure`.
    on_stage
        Called with the name of the stage.

    Returns
    -------
    exposure, seconds
        The exposure, and the CPU time it took.
    """
    import time

    from skysift.io import read_exposure

    on_stage("reading")
    start = time.process_time()
    return read_exposure(image, **(reading or {})), time.process_time() - start


def output_paths(images: Sequence[Path], output: Path | None) -> list[tuple[Path, str]]:
    """Folder and stem of the outputs of each image; stems stay apart when images of one name share a folder.

    Parameters
    ----------
    images
        Input files.
    output
        Folder for all of them, or None for the folder of each.

    Returns
    -------
    pairs
        (folder, stem) an image.
    """
    pairs: list[tuple[Path, str]] = []
    taken: set[tuple[Path, str]] = set()
    for image in images:
        name = image.name
        for suffix in (".gz", ".fz", ".bz2"):
            name = name.removesuffix(suffix)
        stem = name.rsplit(".", 1)[0] if "." in name else name
        folder = output or image.parent
        candidate, k = stem, 1
        while (folder, candidate) in taken:
            k += 1
            candidate = f"{stem}_{k}"
        taken.add((folder, candidate))
        pairs.append((folder, candidate))
    return pairs


class Reporter:
    """Says what is going on: a rich bar on a terminal, plain lines elsewhere.

    Parameters
    ----------
    total
        Number of images.
    quiet
        Print errors only.
    """

    def __init__(self, total: int, quiet: bool = False) -> None:
        self.quiet = quiet
        self.progress: Any = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self.progress = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True)
            )
            self.task = self.progress.add_task("", total=total)

    def __enter__(self) -> Reporter:
        if self.progress is not None:
            self.progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.progress is not None:
            self.progress.stop()

    def stage(self, subject: str, name: str) -> None:
        """Show which stage of which image runs."""
        if self.progress is not None:
            self.progress.update(self.task, description=f"{subject}: {name}")

    def line(self, text: str, *, error: bool = False) -> None:
        """Print a line that stays."""
        if self.quiet and not error:
            return
        if self.progress is not None:
            self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)

    def advance(self) -> None:
        """Count one image as done."""
        if self.progress is not None:
            self.progress.advance(self.task)


def _set_up_logging(quiet: bool) -> None:
    """Let the library's warnings out as lines of their own, or keep them in."""
    import logging

    handler = logging.StreamHandler()
    handler.set_name("skysift.cli")
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    handler.setLevel(logging.ERROR if quiet else logging.WARNING)
    logger = logging.getLogger("skysift")
    for other in [h for h in logger.handlers if h.get_name() == handler.get_name()]:
        logger.removeHandler(other)
    logger.addHandler(handler)


def run_images(
    images: Sequence[Path], work: Callable[..., str], jobs: list[dict[str, Any]], *, workers: int, quiet: bool, debug: bool
) -> int:
    """Run one function for each image, one image's failure leaving the others alone.

    Parameters
    ----------
    images
        For messages.
    work
        Called as ``work(**job, on_stage=callable)``; returns the line to print. Must be importable, for worker processes.
    jobs
        Keyword arguments an image.
    workers
        Processes; 1 runs in this one.
    quiet
        Print errors only.
    debug
        Let the first error through with its traceback.

    Returns
    -------
    exit_code
    """
    codes: list[int] = []
    _set_up_logging(quiet)
    with Reporter(len(images), quiet) as reporter:

        def finish(image: Path, outcome: str | BaseException) -> None:
            if isinstance(outcome, BaseException):
                message, code = describe_error(outcome, str(image))
                reporter.line(message, error=True)
            else:
                message, code = outcome, 0
                reporter.line(message)
            codes.append(code)
            reporter.advance()

        if workers <= 1 or len(images) == 1:
            for image, job in zip(images, jobs):
                try:
                    finish(image, work(**job, on_stage=lambda name, image=image: reporter.stage(image.name, name)))
                except Exception as error:
                    if debug:
                        raise
                    finish(image, error)
        else:
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor, as_completed

            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(min(workers, len(images)), context, _set_up_logging, (quiet,)) as pool:
                futures = {pool.submit(work, **job): image for image, job in zip(images, jobs)}
                for future in as_completed(futures):
                    failure = future.exception()
                    if failure is not None and debug:
                        raise failure
                    finish(futures[future], failure if failure is not None else future.result())
    failed = [code for code in codes if code]
    if not failed:
        return 0
    return failed[0] if len(failed) == len(codes) else 1
