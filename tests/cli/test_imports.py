"""Help and completion do not import the engine, which would take longer than everything else."""

import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

from convcalc.alternatives.factorings import FACTORINGS
from convcalc.check.rules import RULES
from convcalc.cli import completed_names
from convcalc.cli.main import SECTIONS
from convcalc.layers import KINDS
from convcalc.render import columns, compare
from convcalc.spec.budget_metrics import MEASURED

COMMANDS = [name for names in SECTIONS.values() for name in names]
ENGINE = ["yaml", "convcalc.layers", "convcalc.network", "convcalc.analysis.report", "convcalc.spec.source"]
CODE = f"""
import sys
from convcalc.cli.main import run
try:
    run(sys.argv[1:])
finally:  # click ends the process after it has completed words
    found = [name for name in {ENGINE} if name in sys.modules]
    sys.exit(f"imported: {{found}}" if found else 0)
"""


def run_and_list_imports(*arguments: str, **environment: str) -> tuple[str, str]:
    """The output of a command, and a line with the modules of the engine that it imported; "" if there are none."""
    command = [sys.executable, "-c", CODE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    return done.stdout, done.stderr


def complete(line: str) -> tuple[list[str], str]:
    """The words that bash gets for a line, and the modules of the engine that were imported."""
    output, imported = run_and_list_imports(_CONVCALC_COMPLETE="bash_complete", COMP_LINE=line, BREAKS=" :=")
    return [value.rpartition(",")[2] for value in output.splitlines()], imported


def test_a_report_needs_the_engine() -> None:
    assert run_and_list_imports("summary", "example:lenet5", "-q")[1] == f"imported: {ENGINE}\n"


@pytest.mark.parametrize("arguments", ["--version", "--help", *(f"{name} --help" for name in COMMANDS)])
def test_help_needs_no_engine(arguments: str) -> None:
    output, imported = run_and_list_imports(*arguments.split())
    assert imported == ""
    assert output.startswith(("Usage: ", "convcalc "))


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_completed_without_the_engine(command: str) -> None:
    words, imported = complete(f"convcalc {command} --")
    assert imported == ""
    assert "--help" in words


COMPLETE_ALL = f"""
import sys
import click
from convcalc.cli.main import commands
imported = []
for command in map(commands.get_command, [None] * {len(COMMANDS)}, {COMMANDS}):
    context = click.Context(command, resilient_parsing=True)
    for parameter in command.get_params(context):
        words = [item.value for item in parameter.shell_complete(context, "")]
        found = [name for name in {ENGINE} if name in sys.modules]
        print(command.name, parameter.name, len(words), *[name for name in found if name not in imported])
        imported = found
"""


def test_no_command_imports_the_engine_to_complete_an_option_or_argument() -> None:
    done = subprocess.run([sys.executable, "-c", COMPLETE_ALL], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row for row in rows if len(row) > 3] == []
    assert {command for command, *_ in rows} == set(COMMANDS)
    completed = {name for _, name, words, *_ in rows if words != "0"}
    assert completed >= {"by", "columns", "sort", "device", "pareto", "best", "kind", "code", "dtype", "nets"}


@pytest.mark.parametrize(
    ("names", "declared"),
    [
        (completed_names.LAYER_COLUMNS, columns.COLUMNS),
        (completed_names.NETWORK_COLUMNS, [*compare.COLUMNS, *MEASURED]),
        (completed_names.KINDS, KINDS),
        (completed_names.RULES, RULES),
        (completed_names.FACTORINGS, FACTORINGS),
    ],
    ids=["columns", "columns of compare", "kinds", "rules", "factorings"],
)
def test_the_completed_names_are_those_of_the_engine(names: tuple[str, ...], declared: Iterable[str]) -> None:
    assert list(names) == list(declared)


# the names of layers and spec parameters are left out: the network must be read
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("convcalc ", "summary"),
        ("convcalc sum", "summary"),
        ("convcalc --", "--version"),
        ("convcalc example:resnet5", "resnet50"),
        ("convcalc summary --", "--fold-batchnorm"),
        ("convcalc summary net.yaml --optimizer a", "adam"),
        ("convcalc summary net.yaml --format l", "latex"),
        ("convcalc summary net.yaml --dtype weights=int8,act", "activations="),
        ("convcalc summary net.yaml --depth ", "all"),
        ("convcalc check --fail-on no", "note"),
        ("convcalc check --channel", "--channel-multiple"),
        ("convcalc alternatives net.yaml --by peak", "peak_memory"),
        ("convcalc mcu net.yaml --runtime tflm-cmsis-d", "tflm-cmsis-dsp"),
        ("convcalc sweep net.yaml --max-par", "--max-params"),
        ("convcalc export net.yaml --to k", "keras"),
        ("convcalc schema rep", "report"),
        ("convcalc help tut", "tutorial"),
    ],
)
def test_words_are_completed_without_the_engine(line: str, expected: str) -> None:
    words, imported = complete(line)
    assert imported == ""
    assert expected in words
