"""The `convcalc` command: runs the subcommands, and turns errors into messages and exit statuses."""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from io import UnsupportedOperation
from keyword import iskeyword

import click

from convcalc.problems import did_you_mean, printable, show
from convcalc.version import __version__

SECTIONS: dict[str, tuple[str, ...]] = {
    "Inspect": ("summary", "rf", "memory"),
    "Decide": ("explain", "alternatives", "fit", "diff", "compare"),
    "Check": ("check",),
    "Convert": ("import", "export", "verify"),
    "Reference": ("help", "layers", "rules", "schema", "examples", "init"),
}
_EXAMPLES = """\b
Examples:
  convcalc summary example:resnet50
  convcalc examples mobilenet_v1 > net.yaml
  convcalc help tutorial"""
NOT_DONE = 2
_INTERRUPTED = 130


class _Commands(click.Group):
    """A click group that imports a command only when it is used, and lists the commands in sections by purpose."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """If there is no command, print the help on standard error and exit with status 2.

        This is not left to click because its versions differ here.
        """
        if not args and not context.resilient_parsing:  # resilient_parsing is set while a shell completes a word
            click.echo(context.get_help(), err=True)
            context.exit(NOT_DONE)
        return super().parse_args(context, args)

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the sections."""
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and return the command of that name; None if it does not exist."""
        if name not in self.list_commands(context):
            return None
        module = f"{name}_" if iskeyword(name) else name
        command: click.Command = import_module(f"convcalc.cli.{module}").command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to run and its arguments. Raises UsageError with a suggestion if it does not exist."""
        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            hint = did_you_mean(name, self.list_commands(context)) or "convcalc --help lists the commands"
            if name.startswith("example:") or os.path.isfile(name):
                hint = f"convcalc summary {printable(name)} shows a network"
            raise click.UsageError(f"no command {show(name)}: {hint}", context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands to the help, in sections."""
        for section, names in SECTIONS.items():
            commands = [(name, self.get_command(context, name)) for name in names]
            with formatter.section(section):
                formatter.write_dl([(name, found.get_short_help_str(80)) for name, found in commands if found])


@click.command("convcalc", cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="convcalc", message="%(prog)s %(version)s")
def commands() -> None:
    """Compute the exact cost of convolutional networks from a YAML spec: shapes, params, memory, MACs.

    NET is a file, - for standard input, or example:NAME for a spec that comes with convcalc.
    """


def main() -> None:
    """Run the command line and exit with its status.

    The status is 0 for success, 1 for an invalid or failing network, 2 if the command could not run, and 130 after
    Ctrl-C.
    """
    gc.disable()  # the process ends soon, and collecting garbage would take a third of the time for a large file
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line with these arguments (None: those of the process) and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        result = commands.main(arguments, "convcalc", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        if context is not None:
            click.echo(context.get_usage(), err=True)
        click.echo(f"convcalc: {_escape_lines(error.format_message())}", err=True)
        return NOT_DONE
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        _discard_output()  # the reader of the pipe has gone
        return 0
    except OSError as error:
        _discard_output()
        click.echo(f"convcalc: {_describe_os_error(error)}", err=True)
        return NOT_DONE
    except Exception as error:
        if "CONVCALC_TRACEBACK" in os.environ:
            raise
        said = printable(f"{type(error).__name__}: {error}")[:500]
        advice = "set CONVCALC_TRACEBACK=1 for a traceback, and please report this"
        click.echo(f"convcalc: internal error: {said}\n{advice}", err=True)
        return NOT_DONE
    return result if isinstance(result, int) else 0


def _describe_os_error(error: OSError) -> str:
    """Return the reason of an error as a message in lower case, such as `no such file or directory`."""
    from convcalc.spec.files import WORKING_FOLDER_GONE, is_working_folder_gone

    if isinstance(error, FileNotFoundError) and is_working_folder_gone():
        return WORKING_FOLDER_GONE
    return printable(error.strerror or str(error)).lower()


def _discard_output() -> None:
    """Redirect standard output to the null device, so that Python does not fail when it flushes it at exit."""
    with suppress(UnsupportedOperation):  # the stream is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_lines(text: str) -> str:
    """Return a message with tabs expanded and control characters escaped; line breaks stay."""
    return "\n".join(map(printable, text.expandtabs(4).split("\n")))
