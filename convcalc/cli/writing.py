"""Writes results to standard output, a pager or the file of -o, and problems to standard error.

A file is replaced in one step: other programs see either its old content or the complete new content.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING

import click

from convcalc.cli.pipes import ignore_closed_pipe
from convcalc.problems import InvalidSpec, printable, show

if TYPE_CHECKING:
    from convcalc.render.lines import Block

WRONG_NETWORK = 1
_MOST_DIGITS_OF_WIDTH = 6
_BYTE_ORDER_MARK = "\ufeff"


class Output:
    """How to write a result: to `file` (None: standard output), with `color` (`auto`, `always` or `never`).

    `quiet` is true if the user gave -q.
    """

    def __init__(self, file: str | None, color: str, quiet: bool) -> None:
        self.file = file
        self.color = color
        self.quiet = quiet


class Failure(click.ClickException):
    """Raised if a command cannot run; the message is printed and the exit status is 2."""


def report_invalid(errors: Sequence[InvalidSpec], output: Output, as_json: bool = False) -> int:
    """Report invalid specs, as JSON or on standard error, and return the exit status.

    Raises Failure if the cause is an option or an unusable file, and not the contents of the spec.
    """
    for error in errors:
        refused = find_refusal(error)
        if refused is not None:
            is_no_spec = error.problems[0].code == "CV000"
            raise Failure(f"{printable(error.file or '')}: {refused}" if is_no_spec else refused)
    if as_json:
        from convcalc.render.summary_data import problems_json

        with ignore_closed_pipe():
            sys.stdout.write(problems_json(errors))  # never to -o FILE: it may hold the report of an earlier run
        return WRONG_NETWORK
    for error in errors:
        print_invalid(error, output)
    return WRONG_NETWORK


def find_refusal(error: InvalidSpec) -> str | None:
    """Return the message about an unusable file or option (CV000, CV017); None if the spec itself is wrong."""
    problem = next((problem for problem in error.problems if problem.code in ("CV000", "CV017")), None)
    return None if problem is None else f"{problem.message}{f': {problem.hint}' if problem.hint else ''}"


def print_invalid(error: InvalidSpec, output: Output) -> None:
    """Print the problems of a spec on standard error, with excerpts of its text."""
    from convcalc.render.excerpt import problem_lines

    lines = problem_lines(error)
    found = len(error.problems)
    lines = [*lines, [(f"{found} problems", "dim")]] if found > 1 else lines[:-1]
    print_lines(lines, output)


def print_lines(lines: "Sequence[Block]", output: Output) -> None:
    """Print lines on standard error, in colour if `use_color` is true for that stream."""
    from convcalc.render.lines import plain_text, styled_text

    sys.stderr.write(styled_text(lines) if use_color(output.color, sys.stderr) else plain_text(lines))


def use_color(color: str, stream: IO[str]) -> bool:
    """Return whether to colour text for a stream; `color` is `auto`, `always` or `never`.

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
    """Return whether to show a progress bar: standard error is a terminal that can draw one, and -q is not given."""
    return not output.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def table_width(output: Output) -> int | None:
    """Return the maximum width of a table in characters; None if it is unlimited, as in a file.

    On standard output, the environment variable COLUMNS sets the width. Without it, the width is that of the terminal,
    and unlimited in a pipe.
    """
    columns = os.environ.get("COLUMNS", "")
    if output.file is not None:
        return None
    if columns.isdecimal() and len(columns) <= _MOST_DIGITS_OF_WIDTH and int(columns) > 0:
        return int(columns)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None


def render_text(blocks: "Sequence[Block]", output: Output, cut: bool = True) -> str:
    """Return blocks as text, in colour if the output wants colours.

    If `cut` is true, text without colours has no blanks at the ends of its lines.
    """
    from convcalc.render.lines import plain_text, styled_text

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
            with ignore_closed_pipe():
                _print_text(text)
        return
    # a lone surrogate cannot be encoded: it becomes a question mark, as on a terminal
    write_bytes(text.encode("utf-8", "replace"), output, inputs)


def _print_text(text: str) -> None:
    """Write text to standard output. If that is not UTF-8, fragments of XML and HTML get character references.

    A page is always UTF-8, as it says: with references, its scripts and style would no longer match their hashes.
    """
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding in ("utf8", "utf8sig") or not text.startswith("<"):
        sys.stdout.write(text)
    elif text.startswith("<!DOCTYPE html>"):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    else:
        sys.stdout.write(text.encode("ascii", "xmlcharrefreplace").decode("ascii"))


def _is_longer_than_screen(text: str) -> bool:
    """Return whether the terminal cannot show all lines at once; False if there is no terminal."""
    if not (sys.stdout.isatty() and sys.stdin.isatty()) or os.environ.get("TERM") == "dumb":
        return False
    from shutil import get_terminal_size

    return text.count("\n") >= get_terminal_size().lines


def write_bytes(content: bytes, output: Output, inputs: Iterable[str]) -> None:
    """Write a binary result to standard output or to the file of -o. Raises Failure if that file is an input."""
    if output.file in (None, "-"):
        with ignore_closed_pipe():
            sys.stdout.buffer.write(content)
        return
    assert output.file is not None
    target = resolve_target(output.file, inputs)
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as stream:
                stream.write(content)
            return
        _replace_file(target, content)
    except OSError as error:
        raise Failure(f"-o {printable(output.file)}: {(error.strerror or str(error)).lower()}") from None


def resolve_target(file: str, inputs: Iterable[str], option: str = "-o") -> str:
    """Return the path of the file of an option, with symbolic links followed.

    Raises Failure if it is a folder or an input.
    """
    if file.endswith(("/", os.sep)) or not file:
        raise Failure(f"{option} takes the name of a file, not {show(file)}")
    refuse_inputs(file, inputs, option)
    target = os.path.realpath(file)
    return target if os.path.exists(target) or not os.path.exists(file) else file  # a pipe, as /dev/stdout can be


def refuse_inputs(file: str, inputs: Iterable[str], option: str = "-o") -> None:
    """Raise Failure if the file of an option is one of the inputs, even by another name."""
    for name in inputs:
        if os.path.exists(name) and os.path.exists(file) and os.path.samefile(name, file):
            raise Failure(f"{option} {printable(file)} is also an input file: nothing was written")


def rewrite_file(file: str, before: str, after: str) -> None:
    """Replace the text of a file, but preserve a byte order mark.

    Raises Failure if the file no longer contains the text `before`, or cannot be rewritten.
    """
    from convcalc.spec.files import STANDARD_INPUT, explain_unreadable

    name = printable(file)
    if file == STANDARD_INPUT or file.startswith("example:"):
        raise Failure(f"{name} is not a file that can be rewritten: use --diff to see the changes")
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            text = stream.read()
        mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
        if text != mark + before:
            raise Failure(f"{name} changed while it was being checked: nothing was written")
        _replace_file(file, (mark + after).encode())
    except OSError as error:
        raise Failure(f"{name}: {explain_unreadable(file, error)}") from None


def _replace_file(target: str, content: bytes) -> None:
    """Replace or create a file in one step; an existing file keeps its permissions. Raises OSError on failure."""
    import tempfile  # importing it at the top would slow the start

    mode = os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o666 & ~read_umask()
    handle, partial = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".convcalc-")
    try:
        with open(handle, "wb") as stream:
            stream.write(content)
        os.chmod(partial, mode)
        os.replace(partial, target)
    except BaseException:
        os.unlink(partial)
        raise


def read_umask() -> int:
    """Return the permission bits that new files do not get.

    `os.umask` returns them only while it sets new ones, so they are changed for a moment.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
