"""Code shared by the commands: adds common options, reads networks, reports errors, and writes results."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import IO, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from convcalc import examples
from convcalc.analysis.training import OPTIMIZERS
from convcalc.arguments import is_integer
from convcalc.cli import completing
from convcalc.cli.replacing import replace_file
from convcalc.network import Network
from convcalc.problems import Flaw, InvalidSpec, did_you_mean, printable, show
from convcalc.render.lines import Block, plain_text, styled_text
from convcalc.spec.blame import read_overridden_network
from convcalc.spec.document import Document
from convcalc.spec.files import STANDARD_INPUT, explain_unreadable, read_net
from convcalc.spec.inputs import Overrides
from convcalc.spec.net_argument import read_net_params, split_net
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_value
from convcalc.units import BITS, DTYPE_ALIASES

Name = TypeVar("Name", str, str | None)
Function = Callable[..., Any]
WRONG_NETWORK = 1
_COMPARE_HINT = ": to compare two values, use convcalc compare NET@NAME=VALUE NET@NAME=VALUE"
_FORMATS_BY_SUFFIX = {
    ".csv": "csv",
    ".json": "json",
    ".markdown": "markdown",
    ".md": "markdown",
    ".sarif": "sarif",
    ".svg": "svg",
}
# suffixes of formats that convcalc does not write: -o refuses them
_FOREIGN_SUFFIXES = frozenset((".htm", ".html", ".jpeg", ".jpg", ".ods", ".pdf", ".png", ".xls", ".xlsm", ".xlsx"))
_MOST_DIGITS_OF_WIDTH = 6
_BYTE_ORDER_MARK = "\ufeff"


class Output(NamedTuple):
    """How to write a result: `file` is that of -o (None: standard output), and `quiet` is true with -q.

    `color` is `auto`, `always` or `never`.
    """

    file: str | None
    color: str
    quiet: bool


class Failure(click.ClickException):
    """A command could not run: its message is printed and the exit status is 2."""


def network_options(function: Function) -> Function:
    """Add the argument NET, received as `net`, and the options of `override_options`."""
    return add_options(
        override_options(function), click.argument("net", metavar="NET", shell_complete=completing.complete_net)
    )


def override_options(function: Function) -> Function:
    """Add the options that override a spec; the command receives them as `overrides`.

    If the command has an argument `net`, its `@width=0.5` is moved from there to `overrides`.
    """

    @wraps(function)
    def run(params: Any, inputs: Any, batch: int | None, dtype: str | None, **rest: Any) -> Any:
        overrides = _read_overrides(params, inputs, batch, dtype)
        if isinstance(rest.get("net"), str):
            rest["net"], overrides = split_params(rest["net"], overrides)
        return function(overrides=overrides, **rest)

    return add_options(
        run,
        click.option(
            "--set",
            "params",
            metavar="NAME=VALUE",
            multiple=True,
            help="Set a spec parameter; NET@NAME=VALUE,… sets those of one NET.",
            shell_complete=completing.complete_param,
        ),
        click.option(
            "--input",
            "inputs",
            metavar="[NAME=]3,320,320",
            multiple=True,
            help="Input shape of one sample, channels first.",
        ),
        click.option("--batch", type=click.IntRange(1), metavar="N", help="Batch size."),
        click.option(
            "--dtype",
            metavar="TYPE",
            help="Data type, such as int8; or separately, weights=int8,bias=int32 (also activations).",
            shell_complete=completing.complete_dtype,
        ),
    )


def inference_options(function: Function) -> Function:
    """Add --no-inplace and --fold-batchnorm (received as `inplace`, `fold_batchnorm`), for inference memory."""
    return add_options(
        function,
        click.option(
            "--no-inplace",
            "inplace",
            flag_value=False,
            default=True,
            help="Assume that no elementwise layer overwrites its input.",
        ),
        click.option("--fold-batchnorm", is_flag=True, help="Fold batch norms into the layers before them."),
    )


def memory_options(function: Function) -> Function:
    """Add the options of `inference_options`, and --optimizer (received as `optimizer`) for training memory."""
    return add_options(
        function,
        inference_options,
        click.option(
            "--optimizer",
            type=click.Choice(list(OPTIMIZERS)),
            default="sgd",
            help="Optimizer whose state is counted in training memory (default: sgd).",
        ),
    )


def format_option(*formats: str) -> Callable[[Function], Function]:
    """Return a decorator that adds the option -f with these formats; the first one is the default."""
    return click.option(
        "-f",
        "--format",
        "format",
        type=click.Choice(formats),
        default=formats[0],
        help=f"Output format (default: by the suffix of -o FILE, else {formats[0]}).",
    )


def output_options(function: Function, only: str = "text") -> Function:
    """Add the options for the output, received as `where`, and report an invalid spec raised by the command.

    The suffix of -o chooses the format, unless -f is given. `only` is the format of a command without -f.
    """

    @wraps(function)
    def run(output: str | None, color: str, quiet: bool = False, **rest: Any) -> Any:
        where = Output(output, color, quiet)
        chosen = _format_by_suffix(output, only)
        if chosen is not None and "format" in rest:
            rest["format"] = chosen
        try:
            return function(where=where, **rest)
        except InvalidSpec as error:
            return report_invalid([error], where, as_json=rest.get("format") == "json")

    return add_options(
        run,
        click.option(
            "-o", "--output", metavar="FILE", help="Write the result to FILE; an error leaves FILE unchanged."
        ),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="When to use colours (default: auto, only on a terminal).",
        ),
    )


def quiet_option(help: str = "Do not print warnings.") -> Callable[[Function], Function]:
    """Return the decorator that adds -q, received as `where.quiet`, to a command with `output_options`."""
    return click.option("-q", "--quiet", is_flag=True, help=help)


def _format_by_suffix(file: str | None, only: str) -> str | None:
    """Return the format that the suffix of -o FILE stands for; None if it stands for none, or if -f is given.

    Raises UsageError if the command does not have that format. `only` is the format of a command without -f.
    """
    suffix = os.path.splitext(file or "")[1].lower()
    wanted = suffix[1:] if suffix in _FOREIGN_SUFFIXES else _FORMATS_BY_SUFFIX.get(suffix)
    context = click.get_current_context()
    if wanted is None or context.get_parameter_source("format") is ParameterSource.COMMANDLINE:
        return None
    types = [parameter.type for parameter in context.command.params if parameter.name == "format"]
    formats = [str(choice) for kind in types if isinstance(kind, click.Choice) for choice in kind.choices] or [only]
    if wanted not in formats:
        has = f"its formats are {', '.join(formats)}" if len(formats) > 1 else f"it writes {only}"
        raise click.UsageError(f"-o {printable(str(file))}: {context.command.name} has no format {wanted}; {has}")
    return wanted


def describe_format(format: str, output: Output) -> str:
    """Return how a format was chosen: `-f csv`, or by the suffix of a file, `-o layers.csv (CSV)`."""
    source = click.get_current_context().get_parameter_source("format")
    if output.file is None or source is ParameterSource.COMMANDLINE:
        return f"-f {format}"
    return f"-o {printable(output.file)} ({'Markdown' if format == 'markdown' else format.upper()})"


def pager_option(function: Function) -> Function:
    """Add --no-pager; the command receives `pager`, for `write_text`."""
    return add_options(
        function,
        click.option(
            "--no-pager",
            "pager",
            flag_value=False,
            default=True,
            help="Do not use a pager for a table longer than the terminal.",
        ),
    )


def columns_option(list_columns: Callable[[], Iterable[str]], help: str) -> Callable[[Function], Function]:
    """Return a decorator that adds --columns; `list_columns` is called only when a shell completes the option."""
    return click.option(
        "--columns", metavar="A,B,C", shell_complete=completing.complete_list_from(list_columns), help=help
    )


def sort_option(list_columns: Callable[[], Iterable[str]], help: str) -> Callable[[Function], Function]:
    """Return a decorator that adds --sort; `list_columns` is called only when a shell completes the option."""
    return click.option("--sort", metavar="COLUMN", shell_complete=completing.complete_from(list_columns), help=help)


def add_options(function: Function, *options: Function) -> Function:
    """Add options to a function, in the order in which the help lists them."""
    for option in reversed(options):
        function = option(function)
    return function


# -- reading


def _read_overrides(params: Iterable[str], inputs: Iterable[str], batch: int | None, dtype: str | None) -> Overrides:
    """Return the overrides that the options specify; their values are parsed as in a spec. Raises Failure."""
    return Overrides(
        read_params(params),
        collect_by_name("--input", map(read_input, inputs)),
        batch,
        None if dtype is None else _read_dtype(dtype),
    )


def read_params(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Return the values of a repeatable NAME=VALUE option by name. Raises Failure."""
    return collect_by_name(option, (_read_param(text, option) for text in texts))


def collect_by_name(option: str, pairs: Iterable[tuple[Name, Any]]) -> dict[Name, Any]:
    """Return (name, value) pairs as a dict. Raises Failure if a name is given twice."""
    found: dict[Name, Any] = {}
    for name, value in pairs:
        if name in found:
            what = "" if name is None else f" for {show(name)}"
            raise Failure(f"{option} is given twice{what}{_COMPARE_HINT if option == '--set' else ''}")
        found[name] = value
    return found


def _read_param(text: str, option: str) -> tuple[str, Any]:
    """Return the name and the value of a text such as `width=0.5`. Raises Failure."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Failure(f"{option} must be NAME=VALUE; got {show(text)}")
    return name, _parse_value(option, value)


def read_input(text: str) -> tuple[str | None, Any]:
    """Return the name and the sizes of `left=3,320,320`; for `3,320,320` the name is None. Raises Failure."""
    name, equals, sizes = text.rpartition("=")
    shape = _parse_value("--input", f"[{sizes.strip('[]')}]")
    if not all(is_integer(size) and size > 0 for size in shape):
        raise Failure(f"--input must be comma-separated sizes, channels first, such as 3,320,320; got {show(text)}")
    return name if equals else None, shape


def _read_dtype(text: str) -> Any:
    """Return the data type `int8` as text, or `weights=int8,activations=int16` as a dict. Raises Failure."""
    parts = text.split(",") if "=" in text else [f"={text}"]
    for part in parts:
        dtype = part.partition("=")[2]
        if dtype not in BITS:
            alias = f"write {DTYPE_ALIASES[dtype]}" if dtype in DTYPE_ALIASES else ""
            hint = alias or did_you_mean(dtype, BITS) or f"available: {', '.join(BITS)}"
            raise Failure(f"--dtype: no data type {show(dtype)}: {hint}")
    if "=" not in text:
        return text
    return collect_by_name("--dtype", ((name, dtype) for name, _, dtype in (part.partition("=") for part in parts)))


def _parse_value(option: str, text: str) -> Any:
    """Return the value that a text has in a spec. Raises Failure that names the option if it cannot be parsed."""
    try:
        return read_value(text)
    except InvalidSpec as error:
        raise Failure(f"{option}: {error.problems[0].message}") from None


def split_params(argument: str, overrides: Overrides) -> tuple[str, Overrides]:
    """Return a NET argument without its `@width=0.5`, and the overrides with these values added. Raises Failure."""
    try:
        return split_net(argument)[0], overrides.attach_params(read_net_params(argument))
    except Flaw as flaw:
        raise Failure(printable(f"{argument}: {flaw.message}")) from None


def load_argument(argument: str, overrides: Overrides, output: Output) -> Network:
    """Load the network of a NET argument, with the spec parameters set there. Raises InvalidSpec."""
    net, overrides = split_params(argument, overrides)
    return load(net, overrides, output)


def read_document(net: str) -> Document:
    """Return the document that NET refers to: a file, standard input or an example. Raises Failure if unreadable."""
    try:
        return read_net(net)
    except examples.NoExample as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{printable(net) or show(net)}: {explain_unreadable(net, error)}") from None


def load(net: str, overrides: Overrides, output: Output) -> Network:
    """Return the network that NET refers to, and warn if its input axes look swapped. Raises Failure or InvalidSpec."""
    return build_network(read_document(net), overrides, output)


def build_network(document: Document, overrides: Overrides, output: Output) -> Network:
    """Return the network of a document, and warn if its input axes look swapped. Raises InvalidSpec."""
    network = read_overridden_network(document, overrides)
    if network.misread and not output.quiet:
        from convcalc.cli.misread import warn_of_misread_inputs  # slow: imports the linter

        warn_of_misread_inputs(document, overrides)
    return network


def make_reader(document: Document, output: Output | None = None) -> Callable[[Overrides], Network]:
    """Return a function that takes overrides and returns the document's network with them.

    If `output` is given, the first call of that function warns if the input axes look swapped.
    """
    outputs = [output] if output else []

    def read(overrides: Overrides) -> Network:
        network = read_network(document, overrides)
        return build_network(document, overrides, outputs.pop()) if outputs else network

    return read


# -- writing


def report_invalid(errors: Sequence[InvalidSpec], output: Output, as_json: bool = False) -> int:
    """Report invalid specs, as JSON or on standard error, and return the exit status.

    Raises Failure if an option or the file as a whole is at fault, and not the contents of the spec.
    """
    for error in errors:
        refused = find_refusal(error)
        if refused is not None:
            is_no_spec = error.problems[0].code == "CV000"
            raise Failure(f"{printable(error.file or '')}: {refused}" if is_no_spec else refused)
    if as_json:
        from convcalc.render.summary_data import problems_json

        sys.stdout.write(problems_json(errors))  # never to -o FILE: it may hold the report of an earlier run
        return WRONG_NETWORK
    for error in errors:
        print_invalid(error, output)
    return WRONG_NETWORK


def find_refusal(error: InvalidSpec) -> str | None:
    """Return the message and hint about an unusable file (CV000) or option (CV017); None if the spec is at fault."""
    problem = next((problem for problem in error.problems if problem.code in ("CV000", "CV017")), None)
    return None if problem is None else f"{problem.message}{f': {problem.hint}' if problem.hint else ''}"


def print_invalid(error: InvalidSpec, output: Output) -> None:
    """Print the problems of a spec on standard error, with excerpts of its text."""
    from convcalc.render.excerpt import problem_lines

    lines = problem_lines(error)
    found = len(error.problems)
    lines = [*lines, [(f"{found} problems", "dim")]] if found > 1 else lines[:-1]
    print_lines(lines, output)


def print_lines(lines: Sequence[Block], output: Output) -> None:
    """Print lines on standard error, in colour if that is wanted."""
    sys.stderr.write(styled_text(lines) if use_color(output.color, sys.stderr) else plain_text(lines))


def use_color(color: str, stream: IO[str]) -> bool:
    """Whether to colour text for a stream; `color` is `auto`, `always` or `never`.

    `auto` obeys the environment variables NO_COLOR and FORCE_COLOR, and otherwise colours text on a terminal.
    """
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def may_show_bar(output: Output) -> bool:
    """Whether to show a progress bar: standard error is a terminal that can draw one, and -q is not given."""
    return not output.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def table_width(output: Output) -> int | None:
    """Return the maximum width of a table in characters; None if unlimited.

    It is taken from the environment variable COLUMNS, else from the terminal. A table in a file or pipe is unlimited.
    """
    columns = os.environ.get("COLUMNS", "")
    if output.file is not None:
        return None
    if columns.isdecimal() and len(columns) <= _MOST_DIGITS_OF_WIDTH and int(columns) > 0:
        return int(columns)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None


def render_text(blocks: Sequence[Block], output: Output, cut: bool = True) -> str:
    """Return blocks as text, coloured if the output wants that; `cut` removes trailing blanks from uncoloured text."""
    color = use_color(output.color, sys.stdout) if output.file is None else output.color == "always"
    return styled_text(blocks) if color else plain_text(blocks, cut)


def write_text(text: str, output: Output, inputs: Iterable[str], pager: bool = False) -> None:
    """Write a result to standard output, or replace a file in one step. Raises Failure if that file is an input.

    With `pager`, a result longer than the terminal is shown in a pager.
    """
    if output.file in (None, "-"):
        if pager and output.file is None and _is_longer_than_screen(text):
            click.echo_via_pager(text)  # keeps colours if the pager is less; click sets LESS=-R if LESS is not set
        else:
            sys.stdout.write(text)
        return
    # a lone surrogate cannot be encoded: it becomes a question mark, as on a terminal
    write_bytes(text.encode("utf-8", "replace"), output, inputs)


def _is_longer_than_screen(text: str) -> bool:
    """Whether standard output is a terminal that cannot show all lines at once, and a person is at the keyboard."""
    if not (sys.stdout.isatty() and sys.stdin.isatty()) or os.environ.get("TERM") == "dumb":
        return False
    from shutil import get_terminal_size

    return text.count("\n") >= get_terminal_size().lines


def write_bytes(content: bytes, output: Output, inputs: Iterable[str]) -> None:
    """Write a binary result to standard output or to the file of -o; errors as in `write_text`."""
    if output.file in (None, "-"):
        sys.stdout.buffer.write(content)
        return
    assert output.file is not None
    if output.file.endswith(("/", os.sep)) or not output.file:
        raise Failure(f"-o takes the name of a file, not {show(output.file)}")
    target = os.path.realpath(output.file)
    for name in inputs:
        if os.path.exists(name) and os.path.exists(target) and os.path.samefile(name, target):
            raise Failure(f"-o {printable(output.file)} is also an input file: nothing was written")
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as stream:
                stream.write(content)
            return
        replace_file(target, content)
    except OSError as error:
        raise Failure(f"-o {printable(output.file)}: {(error.strerror or str(error)).lower()}") from None


def rewrite_file(file: str, before: str, after: str) -> None:
    """Replace the text of a file, but preserve a byte order mark.

    Raises Failure if the file no longer contains the text `before`, is not a real file, or cannot be written.
    """
    name = printable(file)
    if file == STANDARD_INPUT or file.startswith("example:"):
        raise Failure(f"{name} is not a file that can be rewritten: use --diff to see the changes")
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            text = stream.read()
        mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
        if text != mark + before:
            raise Failure(f"{name} changed while it was being checked: nothing was written")
        replace_file(file, (mark + after).encode())
    except OSError as error:
        raise Failure(f"{name}: {explain_unreadable(file, error)}") from None
