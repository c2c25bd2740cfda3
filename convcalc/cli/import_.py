"""`convcalc import`: converts an ONNX file, a Keras model or a PyTorch module to a spec."""

import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from convcalc import examples
from convcalc.cli import common, writing
from convcalc.convert import formats
from convcalc.convert.graph import Graph, NotImported
from convcalc.problems import printable
from convcalc.render.lines import Line, write
from convcalc.spec.files import explain_unreadable

_EXAMPLES = """\b
Examples:
  convcalc import resnet50.onnx -o resnet50.yaml
  convcalc import model.keras
  convcalc import net.onnx --input 3,224,224 --strict
  convcalc import --torch nets:small --input 3,224,224"""
_MOST_NOTES = 20
Shapes = dict[str | None, tuple[int, ...]]


@click.command("import", epilog=_EXAMPLES)
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@click.option(
    "--torch",
    "factory",
    metavar="PACKAGE.MODULE:FACTORY",
    help="Import the torch.nn.Module that this function or class returns. This runs its code.",
)
@click.option("--input", "inputs", metavar="[NAME=]3,224,224", multiple=True, help="Shape of an input, channels first.")
@click.option("--name", metavar="NAME", help="Name of the network.")
@click.option("--strict", is_flag=True, help="Fail if an operation is unsupported, instead of writing an opaque layer.")
@common.output_options
@common.quiet_option("Do not list unsupported operations, or show a progress bar.")
def command(
    file: str | None,
    factory: str | None,
    inputs: tuple[str, ...],
    name: str | None,
    strict: bool,
    where: writing.Output,
) -> int:
    """Convert an ONNX file, a Keras model or a PyTorch module to a spec.

    FILE is an ONNX file, a .keras archive, or the JSON that a Keras model's to_json() returns. Weights are not needed.
    Nothing in FILE is executed; only --torch runs code. An operation that a spec cannot express is reported and becomes
    an opaque layer, with the cost of the operation if that is known. ONNX needs the extra convcalc[onnx], PyTorch
    convcalc[torch].
    """
    if (file is None) == (factory is None):
        raise click.UsageError("import takes either a FILE or --torch")
    try:
        graph = _import_graph(file, factory, _read_shapes(inputs), writing.may_show_bar(where))
    except NotImported as error:
        raise writing.Failure(f"{printable(file or str(factory))}: {printable(str(error))}") from None
    graph = graph if name is None else graph._replace(name=name)
    if graph.notes and (strict or not where.quiet):
        said = sys.stderr
        write(_note_lines(graph, strict), said, writing.use_color(where.color, said))
    if graph.notes and strict:
        return writing.WRONG_NETWORK
    from convcalc.convert.decompile.spec_writer import spec_text

    writing.write_text(spec_text(graph), where, [] if file is None else [file])
    return 0


def _import_graph(file: str | None, factory: str | None, shapes: Shapes, bar: bool) -> Graph:
    """Return the graph of a file, or of the PyTorch module that `factory` returns.

    Raises NotImported if the contents of the file or module are unsupported, and Failure if the file cannot be read.
    """
    if factory is not None:
        return _import_torch(factory, shapes)
    assert file is not None
    if file.startswith(examples.PREFIX):
        raise writing.Failure(f"{printable(file)}: an example is already a spec")
    if os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file):
        raise writing.Failure(f"{printable(file)}: not a regular file")
    try:
        if _choose_importer(file) == "keras":
            from convcalc.convert import from_keras

            return from_keras.read(file, shapes)
        from convcalc.convert import from_onnx

        return from_onnx.read(file, shapes, _show_bar if bar else None)
    except OSError as error:
        raise writing.Failure(f"{printable(file)}: {explain_unreadable(file, error)}") from None


def _choose_importer(file: str) -> str:
    """Return the importer for a file, `keras` or `onnx`.

    Raises Failure if the file is a spec or has an unsupported format, and OSError if it cannot be opened.
    """
    with open(file, "rb") as stream:
        head = stream.read(formats.HEAD)
    found = formats.recognise(file, head)
    if found is formats.SPEC:
        raise writing.Failure(f"{printable(file)}: already a spec: use convcalc summary {printable(file)}")
    if found is not None and not found.reader:
        raise writing.Failure(f"{printable(file)}: {found.name}: {found.advice}")
    if found is not None:
        return found.reader
    looks_like_keras = file.lower().endswith(".json") or head.lstrip().startswith((b"{", b"PK"))
    return "keras" if looks_like_keras else "onnx"


def _show_bar(nodes: Iterable[Any], total: int) -> Iterable[Any]:
    """Yield the nodes unchanged, and show a progress bar on standard error if this takes long."""
    from convcalc.render.progress import show_progress

    return show_progress(nodes, total, sys.stderr, "nodes")


def _import_torch(factory: str, shapes: Shapes) -> Graph:
    """Return the graph of the PyTorch module that `factory` returns.

    Raises NotImported if the module cannot be traced, and UsageError if input shapes are missing or ambiguous.
    """
    if not shapes:
        raise click.UsageError("--torch needs an --input, such as --input 3,224,224")
    if None in shapes and len(shapes) > 1:
        raise click.UsageError("with several inputs, each needs a name: --input left=3,64,64 --input right=3,64,64")
    from convcalc.convert import from_torch

    named = {name: shape for name, shape in shapes.items() if name is not None}
    return from_torch.read_factory(factory, named or shapes[None])


def _read_shapes(inputs: Iterable[str]) -> Shapes:
    """Return the shapes in the --input options by input name; the key is None if the name is left out."""
    return common.collect_by_name("--input", ((name, tuple(shape)) for name, shape in map(common.read_input, inputs)))


def _note_lines(graph: Graph, strict: bool) -> list[Line]:
    """Return one line per unsupported operation, and a last line such as `2 unsupported: nothing was written`."""
    notes = graph.notes
    lines: list[Line] = [[("unsupported: ", "warning"), (printable(note), "")] for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        lines.append([(f"and {len(notes) - _MOST_NOTES} more", "dim")])
    return [*lines, [(f"{len(notes)} unsupported: {_describe_outcome(graph, strict)}", "dim")]]


def _describe_outcome(graph: Graph, strict: bool) -> str:
    if strict:
        return "nothing was written"
    from convcalc.convert.opaque_summary import summarise_opaque

    found = summarise_opaque(graph)
    if not found.layers:
        return "the figures are not affected"
    return f"{found.layers} opaque layer{'' if found.layers == 1 else 's'}; {found.describe()}"
