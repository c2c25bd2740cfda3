"""What commands share: their options, reading a network, writing a result."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import IO, Any, NamedTuple, TypeVar

import click

from convcalc import examples
from convcalc.analysis.training import OPTIMIZERS
from convcalc.cli.replacing import replace_file
from convcalc.keys import is_integer
from convcalc.network import Network
from convcalc.problems import Flaw, InvalidSpec, did_you_mean, printable, shown
from convcalc.render.lines import Line, plain_text, styled_text
from convcalc.spec.blame import read_given
from convcalc.spec.budget import LIMITED
from convcalc.spec.document import Document
from convcalc.spec.files import STANDARD_INPUT, read_file, why_unreadable
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network
from convcalc.spec.source import read_value
from convcalc.units import BITS

Name = TypeVar("Name", str, str | None)
Function = Callable[..., Any]
WRONG_NETWORK = 1
COMPARING = ": to compare two values, convcalc diff NET NET --set-old NAME=VALUE --set-new NAME=VALUE"
MOST_DIGITS_OF_WIDTH = 6
BYTE_ORDER_MARK = "\ufeff"
BOUNDS = tuple(f"{bound}-{metric.replace('_', '-')}" for metric in LIMITED for bound in ("max", "min"))
SHOWN_BOUNDS = ("max-params", "max-macs", "max-flops", "max-peak-memory", "max-weight-memory", "min-receptive-field")


class Output(NamedTuple):
    """Where a result goes, and whether in colour."""

    file: str | None
    color: str
    quiet: bool


class Failure(click.ClickException):
    """The command could not do its work."""


def network_options(function: Function) -> Function:
    """NET, and what takes the place of what it says, which the command gets as `overrides`."""
    return with_options(override_options(function), click.argument("net", metavar="NET", shell_complete=complete_net))


def override_options(function: Function) -> Function:
    """What takes the place of what a spec says, which the command gets as `overrides`."""

    @wraps(function)
    def run(params: Any, inputs: Any, batch: int | None, dtype: str | None, **rest: Any) -> Any:
        return function(overrides=read_overrides(params, inputs, batch, dtype), **rest)

    return with_options(
        run,
        click.option("--set", "params", metavar="NAME=VALUE", multiple=True, help="The value of a param of the spec."),
        click.option(
            "--input",
            "inputs",
            metavar="[NAME=]3,320,320",
            multiple=True,
            help="The shape of one sample, channels first.",
        ),
        click.option("--batch", type=click.IntRange(1), metavar="N", help="Samples in a batch."),
        click.option("--dtype", metavar="TYPE", help="int8, or weights=int8,activations=int16,bias=int32."),
    )


def inference_options(function: Function) -> Function:
    """How the memory of inference is counted."""
    return with_options(
        function,
        click.option(
            "--no-inplace", "inplace", flag_value=False, default=True, help="Every layer writes into memory of its own."
        ),
        click.option("--fold-batchnorm", is_flag=True, help="Fold batch norms into the convolutions before them."),
    )


def memory_options(function: Function) -> Function:
    """How memory is counted."""
    return with_options(
        function,
        inference_options,
        click.option(
            "--optimizer",
            type=click.Choice(list(OPTIMIZERS)),
            default="sgd",
            help="Whose states the memory of training counts.",
        ),
    )


def limit_options(function: Function) -> Function:
    """An option for every limit, which the command gets as `limits`; the rarer ones are not listed in the help."""

    @wraps(function)
    def run(**given: Any) -> Any:
        from convcalc.check.settings import limit_of

        values = {bound: given.pop(bound.replace("-", "_")) for bound in BOUNDS}
        try:
            limits = [limit_of(name, value, f"--{name}") for name, value in values.items() if value is not None]
        except Flaw as flaw:
            raise Failure(f"{flaw.message}{f': {flaw.hint}' if flaw.hint else ''}") from None
        return function(limits=tuple(limits), **given)

    options = [
        click.option(
            f"--{bound}", metavar=limit_example(bound), hidden=bound not in SHOWN_BOUNDS, help=limit_help(bound)
        )
        for bound in BOUNDS
    ]
    return with_options(run, *options)


def limit_example(bound: str) -> str:
    """What a limit looks like."""
    return "256KiB" if "memory" in bound else "224" if "field" in bound else "5M"


def limit_help(bound: str) -> str:
    """Return the help of a limit's option."""
    side, metric = bound.split("-", 1)
    name = metric.upper().replace("S", "s") if metric in ("macs", "flops") else metric.replace("-", " ")
    return f"{'Maximum' if side == 'max' else 'Minimum'} {name}; a spec's own budget can only be stricter."


def output_options(function: Function) -> Function:
    """Where the result goes, which the command gets as `where`; a wrong spec is said there too."""

    @wraps(function)
    def run(output: str | None, color: str, quiet: bool, **rest: Any) -> Any:
        where = Output(output, color, quiet)
        try:
            return function(where=where, **rest)
        except InvalidSpec as error:
            return report_invalid([error], where, as_json=rest.get("format") == "json")

    return with_options(
        run,
        click.option("-o", "--output", metavar="FILE", help="Write to a file, whole or not at all."),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colours; by themselves on a terminal.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Only what matters most."),
    )


def with_options(function: Function, *options: Function) -> Function:
    """The function with options, in the order in which the help lists them."""
    for option in reversed(options):
        function = option(function)
    return function


def complete_net(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Completion in a shell: the examples, or files."""
    from click.shell_completion import CompletionItem

    if incomplete.startswith("e") and "example:".startswith(incomplete[:8]):
        found = [f"example:{name}" for name in examples.names()]
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]
    encodable = incomplete.encode("utf-8", "replace").decode()  # the shell completes files by what it has itself
    return [CompletionItem(encodable, type="file")]


def completing(words: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    """Completion in a shell from a list of words."""
    return lambda context, parameter, incomplete: [word for word in words() if word.startswith(incomplete)]


# -- reading


def read_overrides(params: Iterable[str], inputs: Iterable[str], batch: int | None, dtype: str | None) -> Overrides:
    """What the options say, read as in a file."""
    return Overrides(
        read_params(params),
        collect_by_name("--input", map(read_input, inputs)),
        batch,
        None if dtype is None else read_dtype(dtype),
    )


def read_params(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """The values of an option that may be repeated, by the names of the params. Raises Failure."""
    return collect_by_name(option, (read_param(text, option) for text in texts))


def collect_by_name(option: str, pairs: Iterable[tuple[Name, Any]]) -> dict[Name, Any]:
    """The values by name. Raises Failure if a name has two: which one is meant is not known."""
    found: dict[Name, Any] = {}
    for name, value in pairs:
        if name in found:
            what = "the shape" if name is None else shown(name)
            raise Failure(f"{option} gives {what} twice{COMPARING if option == '--set' else ''}")
        found[name] = value
    return found


def read_param(text: str, option: str) -> tuple[str, Any]:
    """`width=0.5`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Failure(f"{option} takes NAME=VALUE, not {shown(text)}")
    return name, value_of(option, value)


def read_input(text: str) -> tuple[str | None, Any]:
    """`3,320,320`, or `left=3,320,320`."""
    name, equals, sizes = text.rpartition("=")
    shape = value_of("--input", f"[{sizes.strip('[]')}]")
    if not all(is_integer(size) and size > 0 for size in shape):
        raise Failure(f"--input takes sizes with commas between, channels first, such as 3,320,320, not {shown(text)}")
    return name if equals else None, shape


def read_dtype(text: str) -> Any:
    """`int8`, or `weights=int8,activations=int16`."""
    parts = text.split(",") if "=" in text else [f"={text}"]
    for part in parts:
        dtype = part.partition("=")[2]
        if dtype not in BITS:
            raise Failure(f"--dtype: no data type {shown(dtype)}: {did_you_mean(dtype, BITS) or ' '.join(BITS)}")
    if "=" not in text:
        return text
    return {name: dtype for name, _, dtype in (part.partition("=") for part in text.split(","))}


def value_of(option: str, text: str) -> Any:
    """A value on the command line, read as in a file."""
    try:
        return read_value(text)
    except InvalidSpec as error:
        raise Failure(f"{option}: {error.problems[0].message}") from None


def read_document(net: str) -> Document:
    """The document that NET names."""
    try:
        return read_file(examples.resolved(net))
    except examples.NoExample as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{printable(net)}: {why_unreadable(net, error)}") from None


def load(net: str, overrides: Overrides, output: Output) -> Network:
    """The network that NET names, with a warning if its inputs look misread. Raises InvalidSpec."""
    return network_of(read_document(net), overrides, output)


def network_of(document: Document, overrides: Overrides, output: Output) -> Network:
    """The network of a document, with a warning if its inputs look misread. Raises InvalidSpec."""
    from convcalc.cli.misread import warn_of_misread_inputs

    network = read_given(document, overrides)
    if network.misread and not output.quiet:
        warn_of_misread_inputs(document, overrides)
    return network


def reader_of(document: Document, output: Output | None = None) -> Callable[[Overrides], Network]:
    """Reads a document again with other overrides, with one warning if there is an output. Raises InvalidSpec."""
    outputs = [output] if output else []

    def read(overrides: Overrides) -> Network:
        network = read_network(document, overrides)
        return network_of(document, overrides, outputs.pop()) if outputs else network

    return read


# -- writing


def report_invalid(errors: Sequence[InvalidSpec], output: Output, as_json: bool = False) -> int:
    """Say what is wrong with specs; the exit status. Raises Failure where what was given from outside is wrong."""
    for error in errors:
        refused = refusal(error)
        if refused is not None:
            is_no_spec = error.problems[0].code == "CV000"
            raise Failure(f"{printable(error.file or '')}: {refused}" if is_no_spec else refused)
    if as_json:
        from convcalc.render.data import problems_json

        sys.stdout.write(problems_json(errors))  # never to the file of -o, which keeps the report of an earlier run
        return WRONG_NETWORK
    for error in errors:
        tell_invalid(error, output)
    return WRONG_NETWORK


def refusal(error: InvalidSpec) -> str | None:
    """What is wrong with what was given from outside of a spec, None where the spec itself is wrong."""
    problem = next((problem for problem in error.problems if problem.code in ("CV000", "CV017")), None)
    return None if problem is None else f"{problem.message}{f': {problem.hint}' if problem.hint else ''}"


def tell_invalid(error: InvalidSpec, output: Output) -> None:
    """Say on standard error what is wrong with a spec."""
    from convcalc.render.excerpt import problem_lines

    lines = problem_lines(error)
    found = len(error.problems)
    lines = [*lines, [(f"{found} problems", "dim")]] if found > 1 else lines[:-1]
    tell(lines, output)


def tell(lines: list[Line], output: Output) -> None:
    """Write lines to standard error."""
    sys.stderr.write(styled_text(lines) if colored(output.color, sys.stderr) else plain_text(lines))


def colored(color: str, stream: IO[str]) -> bool:
    """Whether to write colours to a stream."""
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def may_show_bar(output: Output) -> bool:
    """Whether standard error is a terminal on which a progress bar can be drawn."""
    return not output.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def width_of(output: Output) -> int | None:
    """How wide a table may be: the terminal's width or COLUMNS; None where it may be as wide as it needs to be."""
    columns = os.environ.get("COLUMNS", "")
    if output.file is not None:
        return None
    if columns.isdecimal() and len(columns) <= MOST_DIGITS_OF_WIDTH and int(columns) > 0:
        return int(columns)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None


def as_text(lines: list[Line], output: Output, cut: bool = True) -> str:
    """Lines for people as the text of a file or of standard output, trailing blanks cut unless they matter."""
    color = colored(output.color, sys.stdout) if output.file is None else output.color == "always"
    return styled_text(lines) if color else plain_text(lines, cut)


def write_text(text: str, output: Output, inputs: Iterable[str]) -> None:
    """Write a result to standard output, or whole or not at all to a file that is none of the inputs."""
    if output.file in (None, "-"):
        sys.stdout.write(text)
        return
    # text that was read with a broken character in it is written with a question mark there, as to a terminal
    write_bytes(text.encode("utf-8", "replace"), output, inputs)


def write_bytes(content: bytes, output: Output, inputs: Iterable[str]) -> None:
    """Write a result that is no text, as `write_text` does."""
    if output.file in (None, "-"):
        sys.stdout.buffer.write(content)
        return
    assert output.file is not None
    target = os.path.realpath(output.file)
    for name in inputs:
        if os.path.exists(name) and os.path.exists(target) and os.path.samefile(name, target):
            raise Failure(f"-o {printable(output.file)} is an input: nothing is written")
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as stream:
                stream.write(content)
            return
        replace_file(target, content)
    except OSError as error:
        raise Failure(f"-o {printable(output.file)}: {(error.strerror or str(error)).lower()}") from None


def rewrite(file: str, before: str, after: str) -> None:
    """Put another text into a file whose text is known, a byte order mark kept. Raises Failure."""
    name = printable(file)
    if file == STANDARD_INPUT or file.startswith("example:"):
        raise Failure(f"{name} is no file to write to: nothing is written there (--diff shows what would be)")
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            text = stream.read()
        mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
        if text != mark + before:
            raise Failure(f"{name} has changed while it was checked: nothing is written")
        replace_file(file, (mark + after).encode())
    except OSError as error:
        raise Failure(f"{name}: {why_unreadable(file, error)}") from None
