"""`convcalc import`: converts a model file, such as ONNX, or a PyTorch module to a spec."""

from __future__ import annotations  # the types are imported only for type checkers

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from convcalc import examples
from convcalc.cli import common, torch_options, writing
from convcalc.problems import NotImported, printable, show

if TYPE_CHECKING:
    from convcalc.convert.graph import Graph

_EXAMPLES = """\b
Examples:
  convcalc import resnet50.onnx -o resnet50.yaml
  convcalc import model.keras
  convcalc import yolov8.yaml --scale n
  convcalc import net.onnx --input 3,224,224 --strict
  convcalc import --torch nets:small --input 3,224,224"""
_ONLY_ULTRALYTICS = "--scale and --map are only for an Ultralytics YAML"
_Shapes = dict[str | None, tuple[int, ...]]


@click.command("import", epilog=_EXAMPLES)
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@torch_options.factory_option("Import")
@click.option("--input", "inputs", metavar="[NAME=]3,224,224", multiple=True, help="Shape of an input, channels first.")
@torch_options.input_dtype_option
@click.option("--scale", metavar="LETTER", help="Scale of an Ultralytics YAML (default: n for yolov8n.yaml).")
@click.option(
    "--map",
    "mapped",
    metavar="NAME=MODULE",
    multiple=True,
    help="Read your module NAME of an Ultralytics YAML as MODULE.",
)
@click.option("--name", metavar="NAME", help="Name of the network.")
@click.option("--strict", is_flag=True, help="Fail if an operation is unsupported, instead of writing an opaque layer.")
@common.output_options
@common.quiet_option("Do not list unsupported operations, or show a progress bar.")
def command(
    file: str | None,
    factory: str | None,
    inputs: tuple[str, ...],
    dtypes: tuple[str, ...],
    scale: str | None,
    mapped: tuple[str, ...],
    name: str | None,
    strict: bool,
    where: writing.Output,
) -> int:
    """Convert a model file, such as ONNX, or a PyTorch module to a spec.

    FILE is an ONNX file, a Keras model, or in another format that `convcalc help import` lists. Weights are not needed.
    Nothing in FILE is executed; only --torch runs code. Other commands read such files too: `convcalc net.onnx`.

    An operation that a spec cannot express is reported and becomes an opaque layer with the cost of the operation, if
    it is known. ONNX needs the extra convcalc[onnx], PyTorch convcalc[torch].
    """
    from convcalc.cli.importing import print_notes, print_remarks
    from convcalc.convert.decompile.spec_writer import spec_text
    from convcalc.convert.model_files import describe_outcome

    if (file is None) == (factory is None):
        raise click.UsageError("import needs a FILE or --torch, and not both")
    if dtypes and factory is None:
        raise click.UsageError("--input-dtype is only for --torch; a file has the data types of its inputs")
    try:
        parameters = _read_ultralytics_options(scale, mapped)
        if factory is None:
            graph, remarks = _import_file(str(file), _read_shapes(inputs), parameters, where)
        elif parameters:
            raise click.UsageError(_ONLY_ULTRALYTICS)
        else:
            graph = _import_torch(factory, _read_shapes(inputs), torch_options.read_input_types(dtypes))
            remarks = graph.remarks
    except NotImported as error:
        raise writing.Failure(f"{printable(file or str(factory))}: {printable(str(error))}") from None
    graph = graph if name is None else graph._replace(name=name)
    if not where.quiet:
        print_remarks(remarks)
    if graph.notes and (strict or not where.quiet):
        print_notes(graph.notes, "nothing was written" if strict else describe_outcome(graph), where)
    if graph.notes and strict:
        return writing.WRONG_NETWORK
    writing.write_text(spec_text(graph), where, [] if file is None else [file])
    return 0


def _import_file(
    file: str, shapes: _Shapes, parameters: dict[str, Any], where: writing.Output
) -> tuple[Graph, tuple[str, ...]]:
    """Return the graph of a file, and remarks on the input shapes.

    `parameters` are the options that only an Ultralytics YAML has. Raises NotImported if the contents of the file are
    unsupported, and Failure if the file cannot be read.
    """
    from convcalc.cli.importing import show_bar
    from convcalc.convert.model_files import find_format, read_graph
    from convcalc.spec.files import STANDARD_INPUT, explain_unreadable

    if file.startswith(examples.PREFIX):
        raise writing.Failure(f"{printable(file)}: an example is already a spec")
    if file == STANDARD_INPUT:
        raise writing.Failure("import reads files, not standard input: save the model to a file")
    try:
        if not parameters.keys() <= set(find_format(file).parameters):
            raise click.UsageError(_ONLY_ULTRALYTICS)
        graph, _, remarks = read_graph(file, shapes, lambda nodes, total: show_bar(nodes, total, where), parameters)
    except OSError as error:
        raise writing.Failure(f"{printable(file)}: {explain_unreadable(file, error)}") from None
    return graph, remarks


def _read_ultralytics_options(scale: str | None, mapped: Iterable[str]) -> dict[str, Any]:
    """Return the options of an Ultralytics YAML that are given, as arguments of its reader. Raises Failure."""
    aliases = {}
    for text in mapped:
        name, equals, module = text.partition("=")
        if not (name and equals and module):
            raise writing.Failure(f"--map must be NAME=MODULE; got {show(text)}")
        if name in aliases:
            raise writing.Failure(f"--map is given twice for {show(name)}")
        aliases[name] = module
    given = {"scale": scale, "aliases": aliases}
    return {name: value for name, value in given.items() if value}


def _import_torch(factory: str, shapes: _Shapes, dtypes: str | dict[str, str] | None) -> Graph:
    """Return the graph of the PyTorch module that `factory` returns.

    Raises NotImported if the module cannot be traced, and UsageError if input shapes are missing or ambiguous.
    """
    if not shapes:
        raise click.UsageError("--torch needs an --input, such as --input 3,224,224")
    if None in shapes and len(shapes) > 1:
        raise click.UsageError("with several inputs, each needs a name: --input left=3,64,64 --input right=3,64,64")
    from convcalc.convert import from_torch

    named = {name: shape for name, shape in shapes.items() if name is not None}
    return from_torch.read_factory(factory, named or shapes[None], dtypes)


def _read_shapes(inputs: Iterable[str]) -> _Shapes:
    """Return the shapes in the --input options by input name; the key is None if the name is left out."""
    return common.collect_by_name("--input", ((name, tuple(shape)) for name, shape in map(common.read_input, inputs)))
