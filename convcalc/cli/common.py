"""The options that several commands share, and functions that read networks and option values."""

from __future__ import annotations  # the types are imported only for type checkers

import os
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from convcalc import examples
from convcalc.analysis.optimizers import OPTIMIZERS
from convcalc.cli import completing
from convcalc.cli.writing import Failure, Output, report_invalid
from convcalc.problems import Flaw, InvalidSpec, NotImported, did_you_mean, printable, show
from convcalc.units import BITS, DTYPE_ALIASES

if TYPE_CHECKING:
    from convcalc.network import Network
    from convcalc.spec.document import Document
    from convcalc.spec.inputs import Overrides

Name = TypeVar("Name", str, str | None)
Function = Callable[..., Any]
_COMPARE_HINT = ": to compare two values, use convcalc compare NET@NAME=VALUE NET@NAME=VALUE"
_FORMATS_BY_SUFFIX = {
    ".csv": "csv",
    ".dot": "dot",
    ".gv": "dot",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".jsonl": "jsonl",
    ".markdown": "markdown",
    ".md": "markdown",
    ".mmd": "mermaid",
    ".parquet": "parquet",
    ".png": "png",
    ".sarif": "sarif",
    ".svg": "svg",
    ".tex": "latex",
}
_FORMAT_NAMES = {
    "html": "HTML",
    "latex": "LaTeX",
    "markdown": "Markdown",
    "mermaid": "Mermaid",
    "parquet": "Parquet",
    "tikz": "TikZ",
}
# -o refuses these suffixes, because convcalc does not write their formats; .txt only if a command writes no text
_UNUSUAL_SUFFIXES = frozenset((".jpeg", ".jpg", ".ods", ".pdf", ".txt", ".xls", ".xlsm", ".xlsx"))


def network_options(function: Function) -> Function:
    """Add the argument NET, which the command receives as `net`, and the options of `override_options`."""
    return add_options(
        override_options(function), click.argument("net", metavar="NET", shell_complete=completing.complete_net)
    )


def override_options(function: Function) -> Function:
    """Add the options that override a spec; the command receives them as `overrides`.

    If the command has an argument `net`, spec parameters in that argument, such as `@width=0.5`, are moved to
    `overrides`.
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
    """Add --no-inplace and --fold-batchnorm; the command receives `inplace` and `fold_batchnorm`."""
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
    """Add the options of `inference_options`, and --optimizer; the command also receives `optimizer`."""
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


def refuse_terminal(format: str, where: Output) -> None:
    """Raise Failure if the format is a page, which would go to a terminal."""
    if format == "html" and where.file is None and sys.stdout.isatty():
        raise Failure("a page cannot be shown in a terminal: add -o FILE.html")


def output_options(function: Function, only: str = "text") -> Function:
    """Add -o and --color, and report an invalid spec if the command raises InvalidSpec.

    The command receives both options as `where`. The suffix of the -o file chooses the format, unless -f is given. If
    the command has no -f, `only` is its single format.
    """
    return add_options(
        _receive_output(function, only),
        _FILE,
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="When to use colours (default: auto, only on a terminal).",
        ),
    )


def picture_options(function: Function) -> Function:
    """Add -o as `output_options` does, but no --color, which is free for a command that writes pictures or pages."""
    return add_options(_receive_output(function, "svg"), _FILE)


_FILE = click.option("-o", "--output", metavar="FILE", help="Write the result to FILE; an error leaves FILE unchanged.")


def _receive_output(function: Function, only: str) -> Function:
    """Return a command that passes its options -o, --color and -q on as `where`."""

    @wraps(function)
    def run(output: str | None, color: str = "auto", quiet: bool = False, **rest: Any) -> Any:
        where = Output(output, color, quiet)
        chosen = _format_by_suffix(output, only)
        if chosen is not None and "format" in rest:
            rest["format"] = chosen
        try:
            return function(where=where, **rest)
        except InvalidSpec as error:
            return report_invalid([error], where, as_json=rest.get("format") == "json")

    return run


def quiet_option(help: str = "Do not print warnings.") -> Callable[[Function], Function]:
    """Return a decorator that adds -q to a command with `output_options`, which receives it as `where.quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help=help)


def _format_by_suffix(file: str | None, only: str) -> str | None:
    """Return the format for the suffix of -o FILE; None if the suffix is unknown, or if -f is given.

    Raises UsageError if the command does not have that format. If the command has no -f, `only` is its single format.
    """
    suffix = os.path.splitext(file or "")[1].lower()
    wanted = suffix[1:] if suffix in _UNUSUAL_SUFFIXES else _FORMATS_BY_SUFFIX.get(suffix)
    context = click.get_current_context()
    if wanted is None or context.get_parameter_source("format") is ParameterSource.COMMANDLINE:
        return None
    types = [parameter.type for parameter in context.command.params if parameter.name == "format"]
    formats = [str(choice) for kind in types if isinstance(kind, click.Choice) for choice in kind.choices] or [only]
    if wanted == "txt":
        if not {"html", "svg"} & {*formats}:
            return None  # all formats are texts
        wanted = next((format for format in formats if format in ("table", "text")), wanted)
    wanted = "tikz" if wanted == "latex" and "tikz" in formats else wanted  # LaTeX for a picture
    if wanted not in formats:
        has = f"its formats are {', '.join(formats)}" if len(formats) > 1 else f"it writes {only}"
        raise click.UsageError(f"-o {printable(str(file))}: {context.command.name} has no format {wanted}; {has}")
    return wanted


def describe_format(format: str, output: Output) -> str:
    """Return how the user chose the format, such as `-f csv` or `-o layers.csv (CSV)`."""
    source = click.get_current_context().get_parameter_source("format")
    if output.file is None or source is ParameterSource.COMMANDLINE:
        return f"-f {format}"
    return f"-o {printable(output.file)} ({_FORMAT_NAMES.get(format, format.upper())})"


def pager_option(function: Function) -> Function:
    """Add --no-pager; the command receives `pager`, which it passes to `write_text`."""
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


ALL_LEVELS = -1  # the value of `depth` for --depth all: no layers are folded


def depth_option(default: str) -> Callable[[Function], Function]:
    """Return a decorator that adds --depth; `default` is the text in parentheses after the help.

    The command receives `depth`: the number of levels, `ALL_LEVELS` for `all`, or None.
    """
    return click.option(
        "--depth",
        callback=_read_depth,
        metavar="N|all",
        help=f"Fold layers nested more than N levels deep (default: {default}).",
        shell_complete=completing.complete_from(lambda: ["all"]),
    )


def _read_depth(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None or value == "all":
        return None if value is None else ALL_LEVELS
    from convcalc.arguments import MOST_DIGITS

    if not value.isdecimal() or len(value) > MOST_DIGITS:
        raise click.BadParameter(f"must be a whole number or all; got {show(value)}", context, parameter)
    return int(value)


def read_position(text: str) -> tuple[int, ...]:
    """Return the indexes of a position such as `3,5`. Raises Failure if one is not a whole number."""
    from convcalc.arguments import MOST_DIGITS

    parts = text.split(",")
    if not all(part.strip().isdecimal() and len(part.strip()) <= MOST_DIGITS for part in parts):
        raise Failure(f"--position must be comma-separated whole numbers, such as 3,5; got {show(text)}")
    return tuple(map(int, parts))


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
    """Return the values of --set, --input, --batch and --dtype as overrides. Raises Failure for a malformed value."""
    from convcalc.spec.inputs import Overrides

    return Overrides(
        read_params(params),
        collect_by_name("--input", map(read_input, inputs)),
        batch,
        None if dtype is None else _read_dtype(dtype),
    )


def read_params(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Return the values in NAME=VALUE texts by name. Raises Failure, with the name `option`, if a text is malformed."""
    return collect_by_name(option, (_read_param(text, option) for text in texts))


def collect_by_name(option: str, pairs: Iterable[tuple[Name, Any]]) -> dict[Name, Any]:
    """Return (name, value) pairs as a dict. Raises Failure if two of them have the same name."""
    found: dict[Name, Any] = {}
    for name, value in pairs:
        if name in found:
            what = "" if name is None else f" for {show(name)}"
            raise Failure(f"{option} is given twice{what}{_COMPARE_HINT if option == '--set' else ''}")
        found[name] = value
    return found


def _read_param(text: str, option: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Failure(f"{option} must be NAME=VALUE; got {show(text)}")
    return name, _parse_value(option, value)


def read_input(text: str) -> tuple[str | None, Any]:
    """Return the name (None if left out) and the sizes in a text such as `left=3,320,320`.

    Raises Failure if a size is not a positive integer.
    """
    from convcalc.arguments import is_integer

    name, equals, sizes = text.rpartition("=")
    shape = _parse_value("--input", f"[{sizes.strip('[]')}]")
    if not all(is_integer(size) and size > 0 for size in shape):
        raise Failure(f"--input must be comma-separated sizes, channels first, such as 3,320,320; got {show(text)}")
    return name if equals else None, shape


def _read_dtype(text: str) -> Any:
    """Return a text such as `int8` unchanged, and `weights=int8,bias=int32` as a dict.

    Raises Failure if a data type is unknown or a name is repeated.
    """
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
    """Parse a value as in a spec. Raises Failure, with the name of the option, if it is not valid YAML."""
    from convcalc.spec.source import read_value

    try:
        return read_value(text)
    except InvalidSpec as error:
        raise Failure(f"{option}: {error.problems[0].message}") from None


def split_params(argument: str, overrides: Overrides) -> tuple[str, Overrides]:
    """Return a NET argument without spec parameters such as `@width=0.5`, and the overrides with these parameters.

    Raises Failure if the argument is malformed.
    """
    from convcalc.spec.net_argument import read_net_params, split_net

    try:
        return split_net(argument)[0], overrides.attach_params(read_net_params(argument))
    except Flaw as flaw:
        raise Failure(printable(f"{argument}: {flaw.message}")) from None


def load_argument(argument: str, overrides: Overrides, output: Output) -> Network:
    """Return the network of a NET argument such as `net.yaml@width=0.5`.

    Raises Failure if the argument is malformed or the file cannot be read, and InvalidSpec if the spec is invalid.
    """
    net, overrides = split_params(argument, overrides)
    return load(net, overrides, output)


def read_document(net: str, overrides: Overrides, output: Output) -> tuple[Document, Overrides]:
    """Return the document that NET refers to (a spec, a model file or an example), and the overrides that still apply.

    Notes on a model file are printed on standard error. Raises Failure if NET cannot be read, or InvalidSpec.
    """
    from convcalc.convert.net_files import read_net

    try:
        document, remaining = read_net(net, overrides, _make_follow(output))
    except examples.NoExample as error:
        raise Failure(str(error)) from None
    except NotImported as error:
        raise Failure(f"{printable(net)}: {printable(str(error))}") from None
    except OSError as error:
        from convcalc.spec.files import explain_unreadable

        raise Failure(f"{printable(net) or show(net)}: {explain_unreadable(net, error)}") from None
    if document.model is not None:
        from convcalc.cli.importing import print_about

        print_about(document.model, net, output)
    return document, remaining


def _make_follow(output: Output) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    """Return a function that shows the progress of reading a model file; it imports what it needs when it is called."""

    def follow(items: Iterable[Any], total: int) -> Iterable[Any]:
        from convcalc.cli.importing import show_bar

        return show_bar(items, total, output)

    return follow


def load(net: str, overrides: Overrides, output: Output) -> Network:
    """Return the network that NET refers to, and warn if its input axes look swapped. Raises Failure or InvalidSpec."""
    return build_network(*read_document(net, overrides, output), output)


def build_network(document: Document, overrides: Overrides, output: Output) -> Network:
    """Return the network of a document, and warn if its input axes look swapped.

    Raises InvalidSpec if the spec is invalid.
    """
    from convcalc.spec.blame import read_overridden_network

    network = read_overridden_network(document, overrides)
    if network.misread and not output.quiet:
        from convcalc.cli.misread import warn_of_misread_inputs  # slow: imports the linter

        warn_of_misread_inputs(document, overrides)
    return network


def make_reader(document: Document, output: Output | None = None) -> Callable[[Overrides], Network]:
    """Return a function that takes overrides and returns the document's network with these overrides.

    If `output` is given, the first call of that function warns if the input axes look swapped.
    """
    from convcalc.spec.reader import read_network

    outputs = [output] if output else []

    def read(overrides: Overrides) -> Network:
        network = read_network(document, overrides)
        return build_network(document, overrides, outputs.pop()) if outputs else network

    return read
