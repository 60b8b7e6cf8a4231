"""The `skysift` command. Subcommands are imported when they are called, so that `skysift --help` answers at once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["main"]

COMMANDS = {
    "process": "Images in, catalogues out: PSF, background, sources, measurements, report.",
    "detect": "Find and measure sources quickly, without fitting a PSF model.",
    "show": "Draw an image with its footprints and sources as a PNG.",
    "simulate": "Make simulated exposures with truth.",
    "demo": "Simulate a small survey night, process it and write one report.",
    "doctor": "Check the installation and compile what can be compiled beforehand.",
}

EPILOG = """\b
Exit codes: 0 done; 1 some of several images failed; 2 wrong usage; 3 an input
cannot be read or used; 4 an algorithm cannot give a result; 130 interrupted.
"""


class _LazyGroup(click.Group):
    """A group whose commands live one in a file and whose help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"skysift.cli.{cmd_name}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skysift", prog_name="skysift")
@click.option("--debug", is_flag=True, help="Show the full traceback of an error.")
@click.pass_context
def _group(ctx: click.Context, debug: bool) -> None:
    """Turn astronomical images into catalogues.

    \b
    Examples:
      skysift process image.fits
      skysift process night/*.fits -o results -j 2
      skysift detect image.fits -o .
      skysift show image.fits
    """
    ctx.obj = {"debug": debug}


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    args
        Arguments without the program's name; None for those of the process.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in arguments
    # Users write --debug anywhere on the line.
    arguments = ["--debug"] * debug + [a for a in arguments if a != "--debug"]
    sys.exit(_run(arguments, debug))


def _run(arguments: list[str], debug: bool) -> int:
    try:
        result: Any = _group.main(arguments, prog_name="skysift", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        return 130
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        from skysift.cli.common import describe_error

        message, code = describe_error(error)
        click.echo(message, err=True)
        return code
