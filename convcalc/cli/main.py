"""The `convcalc` command: runs the subcommands, and turns errors into messages and exit statuses."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import click

from convcalc.cli import writing_ascii
from convcalc.cli.pipes import discard_output, ignore_closed_pipe
from convcalc.examples import PREFIX, list_names
from convcalc.problems import did_you_mean, find_nearest, join_words, normalise_word, printable, show
from convcalc.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# the commands by purpose, each with the first sentence of its help: so no command is imported to list them
SECTIONS: dict[str, dict[str, str]] = {
    "Inspect": {
        "summary": "Show every layer's output shape, params, MACs and memory, and the totals.",
        "draw": "Draw a network, a receptive field, or memory use.",
        "report": "Write everything about networks as one HTML page, to look at in a browser.",
        "rf": "Show every layer's receptive field, or the input region of one position.",
        "memory": "Show memory use layer by layer, its peak, and what would lower it.",
        "mcu": "Show the RAM and flash that a network needs on a microcontroller.",
        "latency": "Estimate how long a network takes on a device, layer by layer.",
    },
    "Decide": {
        "explain": "Show the formula behind every figure, with its numbers.",
        "alternatives": "List alternatives to convolutions with their cost.",
        "fit": "Find the largest network within a budget.",
        "sweep": "Evaluate every combination of parameter values, one row each.",
        "merge": "Join the shards that convcalc sweep -o FOLDER/ has written.",
        "space": "Count, sample and rank the networks of a design space.",
        "diff": "Show what changed between two networks, and what the change costs.",
        "compare": "Compare networks in one table, one row per network.",
    },
    "Check": {
        "check": "Validate specs, enforce budgets and lint network designs.",
    },
    "Convert": {
        "import": "Convert a model file, such as ONNX, or a PyTorch module to a spec.",
        "export": "Write a network as a PyTorch module, a Keras model, or an ONNX graph without weights.",
        "verify": "Check a spec against PyTorch, or against a real module or ONNX file.",
    },
    "Reference": {
        "help": "Show the manual.",
        "layers": "List the layer kinds, or show the manual page of one.",
        "rules": "List the lint rules, or explain one.",
        "schema": "Print the JSON Schema of specs, or of the JSON that a command writes.",
        "examples": "List the example specs that come with convcalc, or print one.",
        "init": "Print a commented spec to start from; with -o, write it to a new file.",
        "completion": "Print the completion script of a shell.",
    },
}
_EXAMPLES = """\b
Examples:
  convcalc example:resnet50
  convcalc examples mobilenet_v1 > net.yaml
  convcalc help tutorial"""
# words that mean a command: this command is suggested, and not one with a similar spelling
OTHER_WORDS = {
    "summary": "analyse analyze cost count flops info macs params print profile show stats table",
    "rf": "field receptive receptivefield",
    "draw": "diagram dot graph graphviz picture plot svg visualise visualize",
    "report": "browser dashboard html page site",
    "memory": "bytes mem peak ram",
    "mcu": "arena embedded flash microcontroller tflm tinyml",
    "latency": "roofline speed throughput time timing",
    "explain": "derive formula how why",
    "alternatives": "factorize improve replace shrink suggest",
    "fit": "budget optimize search tune",
    "sweep": "explore grid pareto scan vary",
    "merge": "collect concat concatenate gather join",
    "space": "nas ofa sample supernet",
    "diff": "changes delta",
    "compare": "benchmark rank versus vs",
    "check": "ci gate lint test validate",
    "import": "convert load onnx open read torch",
    "export": "convert onnx save torch write",
    "layers": "kinds operators ops",
    "examples": "list models zoo",
    "init": "new start template",
}
_SPEC_ENDINGS = (".yaml", ".yml")
NOT_DONE = 2
_INTERRUPTED = 130


@contextmanager
def _stop_at_closed_pipe() -> Iterator[None]:
    """End with status 0 if the reader of a pipe has gone: click would end with 1, the status of a failing network."""
    try:
        yield
    except BrokenPipeError:
        discard_output()
        raise click.exceptions.Exit(0) from None


class _Commands(click.Group):
    """Imports a command only when it is used, and lists the commands in sections by purpose."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Print the help if there are no arguments; insert `summary` before options that precede a NET."""
        if not args and not context.resilient_parsing:  # resilient_parsing is true while a shell completes words
            click.echo(context.get_help())
            context.exit(0)
        if args and args[0].startswith("-"):
            own = {name for option in self.get_params(context) for name in option.opts}
            if args[0] not in own and any(map(_is_net, args)):
                args = ["summary", *args]
        return super().parse_args(context, args)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Parse the arguments, and perhaps print the help or the version."""
        with _stop_at_closed_pipe():
            return super().make_context(*arguments, **options)

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        with _stop_at_closed_pipe():
            return super().invoke(context)

    def list_commands(self, context: click.Context) -> list[str]:
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(context):
            return None
        module = f"{name}_" if iskeyword(name) else name
        command: click.Command = import_module(f"convcalc.cli.{module}").command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Replace NET by `summary NET`. Raises UsageError, with a hint, for a word that is not a command or NET."""
        name = args[0]
        if self.get_command(context, name) is None:
            if _is_net(name):
                return super().resolve_command(context, ["summary", *args])
            if not name.startswith("-") and not context.resilient_parsing:
                hint = _suggest_command(name, self.list_commands(context))
                raise click.UsageError(f"no command {show(name)}: {hint}", context)
        return super().resolve_command(context, args)

    def shell_complete(self, context: click.Context, incomplete: str) -> "list[CompletionItem[Any]]":
        """Complete commands and options, and also networks, because `convcalc NET` is allowed."""
        from click.shell_completion import CompletionItem

        commands = {name: help for listed in SECTIONS.values() for name, help in listed.items()}
        found = [CompletionItem(name, help=help) for name, help in commands.items() if name.startswith(incomplete)]
        found += click.Command.shell_complete(self, context, incomplete)  # the options
        if incomplete.startswith("-") or (found and not incomplete.startswith("e")):
            return found
        from convcalc.cli.completing import complete_net

        return [*found, *complete_net(context, self.params[0], incomplete)]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()))


@click.command("convcalc", cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="convcalc", message="%(prog)s %(version)s")
def commands() -> None:
    """Compute the exact cost of convolutional networks from a YAML spec: shapes, params, memory, MACs.

    NET is a file, - for standard input, or example:NAME for a spec that comes with convcalc. The file is a spec or a
    model file, such as ONNX. NET@width=0.5,size=160 also sets spec parameters. convcalc NET is short for convcalc
    summary NET.
    """


def _is_net(argument: str) -> bool:
    """Return whether an argument is a NET, and not the name of a command."""
    if "@" in argument:
        from convcalc.spec.net_argument import split_net  # imports the YAML parser

        argument, _ = split_net(argument)
    if argument == "-" or argument.startswith(PREFIX):
        return True
    from convcalc.convert.formats import model_endings

    return argument.endswith((*_SPEC_ENDINGS, *model_endings())) or os.path.isfile(argument)


def _suggest_command(word: str, known: list[str]) -> str:
    """Return a hint for an unknown command, such as `did you mean summary?`."""
    if os.path.isdir(word):
        from convcalc.spec.files import find_folder_format

        found = find_folder_format(word)
        if found:
            return f"it is {found.name}: {found.advice}"
        return f"convcalc check {printable(word)} checks the specs of a folder"
    meant = [command for command, words in OTHER_WORDS.items() if normalise_word(word) in words.split()]
    if meant:
        return f"did you mean {join_words(meant)}?"
    hint = did_you_mean(word, known)
    example = "" if hint else find_nearest(word, list_names())
    if example:
        return f"did you mean {PREFIX}{example}?"
    return hint or "convcalc --help lists the commands"


def run(arguments: list[str] | None = None) -> int:
    """Run the command line with these arguments (None: those of the process) and return the exit status.

    The status is 0 for success, 1 for an invalid or failing network, 2 if the command could not run, and 130 after
    Ctrl-C.
    """
    if sys.stdout is None:  # the process was started with the stream closed
        click.echo("convcalc: standard output is closed", err=True)
        return NOT_DONE
    writing_ascii.register()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=writing_ascii.NAME)
    if "_CONVCALC_COMPLETE" in os.environ:
        from convcalc.cli.bash_completion import register

        register()
    try:
        result = commands.main(arguments, "convcalc", standalone_mode=False)
        with ignore_closed_pipe():
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
    except OSError as error:
        discard_output()
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
    """Return a message in lower case, such as `no such file or directory`."""
    from convcalc.spec.files import WORKING_FOLDER_GONE, is_working_folder_gone

    if isinstance(error, FileNotFoundError) and is_working_folder_gone():
        return WORKING_FOLDER_GONE
    return printable(error.strerror or str(error)).lower()


def _escape_lines(text: str) -> str:
    """Expand tabs and escape control characters, but keep line breaks."""
    return "\n".join(map(printable, text.expandtabs(4).split("\n")))
