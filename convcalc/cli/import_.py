"""`convcalc import`: a spec from a network that is there in another form."""

import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from convcalc import examples, formats
from convcalc.cli import common
from convcalc.convert.graph import Graph, NotImported
from convcalc.problems import printable
from convcalc.render.lines import Line, write
from convcalc.spec.files import why_unreadable

EXAMPLES = """\b
Examples:
  convcalc import resnet50.onnx -o resnet50.yaml
  convcalc import model.keras
  convcalc import net.onnx --input 3,224,224 --strict
  convcalc import --torch nets:small --input 3,224,224"""
MOST_NOTES = 20
Shapes = dict[str | None, tuple[int, ...]]


@click.command("import", epilog=EXAMPLES)
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@click.option(
    "--torch",
    "factory",
    metavar="PACKAGE.MODULE:FACTORY",
    help="Function or class that returns a torch.nn.Module. Its module is imported, which runs its code.",
)
@click.option(
    "--input",
    "inputs",
    metavar="[NAME=]3,224,224",
    multiple=True,
    help="Shape of an input, without the batch (repeatable).",
)
@click.option("--name", metavar="NAME", help="Name of the network.")
@click.option("--strict", is_flag=True, help="Fail if anything cannot be expressed, instead of writing opaque layers.")
@common.output_options
def command(
    file: str | None,
    factory: str | None,
    inputs: tuple[str, ...],
    name: str | None,
    strict: bool,
    where: common.Output,
) -> int:
    """Write a spec from an ONNX file, a Keras model or a PyTorch module.

    FILE is an ONNX model, the JSON of a Keras model's to_json(), or a .keras archive. Weights are not needed, and no
    code in FILE is run; only --torch runs code. Operators that convcalc cannot express are reported and kept as opaque
    layers of unknown cost. ONNX and PyTorch need the extras convcalc[onnx] and convcalc[torch].
    """
    if (file is None) == (factory is None):
        raise click.UsageError("import needs either FILE or --torch")
    try:
        graph = imported(file, factory, shapes_of(inputs), common.may_show_bar(where))
    except NotImported as error:
        raise common.Failure(f"{printable(file or str(factory))}: {printable(str(error))}") from None
    graph = graph if name is None else graph._replace(name=name)
    if graph.notes and (strict or not where.quiet):
        said = sys.stderr
        write(note_lines(graph.notes, strict), said, common.colored(where.color, said))
    if graph.notes and strict:
        return common.WRONG_NETWORK
    from convcalc.convert.writer import spec_text

    common.write_text(spec_text(graph), where, [] if file is None else [file])
    return 0


def imported(file: str | None, factory: str | None, shapes: Shapes, bar: bool) -> Graph:
    """The network of a file, or of a function of PyTorch. Raises NotImported."""
    if factory is not None:
        return from_torch(factory, shapes)
    assert file is not None
    if file.startswith(examples.PREFIX):
        raise common.Failure(f"{printable(file)}: an example is already a spec")
    if os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file):
        raise common.Failure(f"{printable(file)}: not a regular file")
    try:
        if reader_of(file) == "keras":
            from convcalc.convert import from_keras

            return from_keras.read(file, shapes)
        from convcalc.convert import from_onnx

        return from_onnx.read(file, shapes, with_bar if bar else None)
    except OSError as error:
        raise common.Failure(f"{printable(file)}: {why_unreadable(file, error)}") from None


def reader_of(file: str) -> str:
    """Which importer reads a file. Raises Failure if it is a spec or of a format without an importer, OSError."""
    with open(file, "rb") as stream:
        head = stream.read(formats.HEAD)
    found = formats.recognise(file, head)
    if found is formats.SPEC:
        raise common.Failure(f"{printable(file)}: already a spec: run convcalc summary {printable(file)}")
    if found is not None and not found.reader:
        raise common.Failure(f"{printable(file)}: {found.name}: {found.advice}")
    if found is not None:
        return found.reader
    looks_like_keras = file.lower().endswith(".json") or head.lstrip().startswith((b"{", b"PK"))
    return "keras" if looks_like_keras else "onnx"


def with_bar(nodes: Iterable[Any], total: int) -> Iterable[Any]:
    """The nodes of a graph, with a bar where they are many."""
    from convcalc.render.progress import followed

    return followed(nodes, total, sys.stderr, "nodes")


def from_torch(factory: str, shapes: Shapes) -> Graph:
    """The network that a function of PyTorch gives. Raises NotImported."""
    if not shapes:
        raise click.UsageError("--torch needs --input, for example --input 3,224,224")
    if None in shapes and len(shapes) > 1:
        raise click.UsageError("with several inputs, each needs a name: --input left=3,64,64 --input right=3,64,64")
    from convcalc.convert import from_torch

    named = {name: shape for name, shape in shapes.items() if name is not None}
    return from_torch.read(factory, named or shapes[None])


def shapes_of(inputs: Iterable[str]) -> Shapes:
    """What --input says, by the name of the input or None of the one input."""
    return common.collect_by_name("--input", ((name, tuple(shape)) for name, shape in map(common.read_input, inputs)))


def note_lines(notes: tuple[str, ...], strict: bool) -> list[Line]:
    """What is not expressed, and what becomes of it."""
    lines: list[Line] = [[("not expressed: ", "warning"), (printable(note), "")] for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        lines.append([(f"and {len(notes) - MOST_NOTES} more", "dim")])
    outcome = "nothing is written" if strict else "kept as opaque layers of unknown cost"
    return [*lines, [(f"{len(notes)} not expressed: {outcome}", "dim")]]
