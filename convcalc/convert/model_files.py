"""Reads networks from model files, such as ONNX.

`read_graph` returns the network of a file as a Graph, `read_document` as the document of a spec, in which the layers
have the names that they have in the spec that `convcalc import` writes. A reader is imported only when it is needed.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from convcalc.arguments import is_integer
from convcalc.convert import formats
from convcalc.convert.graph import Follow, Graph, Reader, Shapes, WrongNumberOfSizes
from convcalc.convert.ultralytics.file_names import find_file
from convcalc.problems import NotImported, printable, shorten, show
from convcalc.spec import files
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides, WrongOverride, make_override_problem
from convcalc.spec.model_file import ModelFile
from convcalc.spec.source import read_text
from convcalc.spec_head import HEAD


class ImportedFile(NamedTuple):
    """The network of a model file, the file's format, and remarks such as that a batch size was left out of a shape."""

    graph: Graph
    format: formats.Format
    remarks: tuple[str, ...]


def read_graph(
    path: str, inputs: Shapes, follow: Follow | None = None, parameters: Mapping[str, Any] | None = None
) -> ImportedFile:
    """Return the network of a model file.

    `inputs` are the shapes that the user gave. If one of them begins with a batch size, this is removed, and a remark
    says so. `parameters` are passed to the reader if its format has them. Raises OSError if the file cannot be read,
    and NotImported if its format or its content is unsupported.
    """
    found = find_format(path)
    chosen = {name: value for name, value in (parameters or {}).items() if name in found.parameters}
    reader: Reader = import_module(found.reader).read
    shapes = dict(inputs)
    remarks: list[str] = []
    while True:
        try:
            return ImportedFile(reader(path, shapes, follow, **chosen), found, tuple(remarks))
        except WrongNumberOfSizes as error:
            if error.batch is None:
                raise
            remarks.append(describe_batch(error.name, shapes[error.name], error.sizes))
            shapes[error.name] = error.sizes


def read_document(path: str, overrides: Overrides, follow: Follow | None) -> Document:
    """Return the document of the spec that `convcalc import` writes for a model file, without text and line numbers.

    Raises the errors of `read_graph`, and WrongOverride if an input shape in the overrides is malformed.
    """
    imported = read_graph(path, _read_shapes(overrides), follow, overrides.params)
    from convcalc.convert.decompile.spec_writer import spec_text

    document = Document(_drop_places(read_text(spec_text(imported.graph), path, True).root), path)
    notes = imported.graph.notes
    outcome = describe_outcome(imported.graph) if notes else ""
    document.model = ModelFile(imported.format.name, imported.format.parameters, notes, outcome, imported.remarks)
    return document


def describe_batch(name: str | None, given: Sequence[int], sizes: Sequence[int]) -> str:
    """Return a remark that the first size of the shape `given` is read as the batch size, and `sizes` as the shape."""
    option = "--input " if name is None else f"--input {shorten(name)}="
    without, whole = (",".join(map(str, those)) for those in (sizes, given))
    return f"{option}{whole} is read as {without}: the leading {given[0]} is taken as the batch size"


def describe_outcome(graph: Graph) -> str:
    """Return how the unsupported operations affect the figures, such as `2 opaque layers; all costs are known`."""
    from convcalc.convert.opaque_summary import summarise_opaque

    found = summarise_opaque(graph)
    if not found.layers:
        return "the figures are not affected"
    return found.describe()


def find_format(path: str) -> formats.Format:
    """Return the format of a model file.

    Raises OSError if the file cannot be read, and NotImported if its format is unknown or has no reader.
    """
    path = find_file(path)
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        found, head = files.find_folder_format(path), b""
        if found is None:
            raise IsADirectoryError("is a directory")
    elif not stat.S_ISREG(mode):
        raise NotImported("not a regular file")  # opening a pipe would wait until something writes to it
    else:
        with open(path, "rb") as stream:
            head = stream.read(HEAD)
        found = formats.recognise(path, head)
    if found is not None and found.reader:
        return found
    if found is formats.SPEC and found.holds(head):
        raise NotImported(f"already a spec: use convcalc summary {printable(path)}")
    if found not in (None, formats.SPEC):
        raise NotImported(f"{found.name}: {found.advice}")
    what = "a file" if head else "an empty file"
    raise NotImported(f"{what} of an unknown format; supported are: {formats.describe_readable()}")


def _read_shapes(overrides: Overrides) -> Mapping[str | None, tuple[int, ...]]:
    """Return the input shapes in the overrides. Raises WrongOverride if one is not a list of positive integers."""
    for name, sizes in overrides.inputs.items():
        if not isinstance(sizes, list) or not sizes or not all(is_integer(size) and size > 0 for size in sizes):
            message = f"{overrides.input_option(name)} of a model file must be a list of positive integers"
            raise WrongOverride([make_override_problem(f"{message}; got {show(sizes)}")])
    return {name: tuple(sizes) for name, sizes in overrides.inputs.items()}


def _drop_places(value: Any) -> Any:
    """Return a value of a document as plain mappings and lists, without line numbers."""
    if isinstance(value, dict):
        return {key: _drop_places(item) for key, item in value.items()}
    return [_drop_places(item) for item in value] if isinstance(value, list) else value
