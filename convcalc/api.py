"""The Python entry points: load a spec, analyse it, or both."""

import os
from collections.abc import Mapping, Sequence
from typing import IO, Any

from convcalc.analysis.report import Report, analyse
from convcalc.collection import collecting_later
from convcalc.keys import LARGEST, MOST_DIGITS
from convcalc.network import Network
from convcalc.problems import InvalidSpec, Path, Problem
from convcalc.spec import files
from convcalc.spec.blame import read_given
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.source import MOST_NESTING

Source = str | os.PathLike[str] | IO[str] | Mapping[str, Any]


def load(
    spec: Source,
    *,
    params: Mapping[str, Any] | None = None,
    input: Sequence[int] | Mapping[str, Any] | None = None,
    inputs: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    dtype: str | Mapping[str, str] | None = None,
) -> Network:
    """The network of a spec: a path, a text stream, or a mapping as in the file.

    `params`, `input` (or `inputs` by name), `batch` and `dtype` take the place of what the spec says. Raises
    InvalidSpec where the spec is wrong, OSError where its file cannot be read.

    >>> network = load({"input": [3, 32, 32], "layers": [{"conv": {"out_channels": 8, "kernel_size": 3}}]})
    >>> network.nodes[0].layer.output
    Shape(channels=8, spatial=(30, 30))
    """
    given: dict[str | None, Any] = {name: _normalise_optional(shape) for name, shape in (inputs or {}).items()}
    if input is not None:
        given[None] = _normalise_optional(input)
    overrides = Overrides(_normalise_value(params or {}), given, batch, _normalise_optional(dtype), from_python=True)
    return read_given(_read_document(spec), overrides)


def from_torch(
    module: Any, input_shape: Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]]
) -> Network:
    """The network of a torch.nn.Module, as `load` gives that of a spec: `analyse(from_torch(module, (3, 224, 224)))`.

    The shape is channels first, without the batch; several inputs have a shape each, in their order or by name. The
    module is traced on the meta device, where its weights take no memory and nothing is computed; its own weights stay
    as they are. What cannot be expressed is a layer of the kind `opaque`. For the text of a spec there is the command
    `convcalc import --torch`. Raises NotImported (of convcalc.convert.graph) where PyTorch, the extra
    convcalc[torch], is not installed, or the module cannot be traced.
    """
    from convcalc.convert.from_torch import graph_of
    from convcalc.convert.graph import plain_spec

    return load(plain_spec(graph_of(module, input_shape)))


@collecting_later
def summary(spec: Source | Network, **overrides: Any) -> Report:
    """The report of a spec or a network, which prints as a table. Takes what `load` takes and raises what it raises.

    Raises TypeError if anything is given that overrides a network: only a spec can be read otherwise.

    >>> summary({"input": [64], "layers": [{"linear": {"out_features": 10}}]}).totals.params
    650
    """
    if not isinstance(spec, Network):
        return analyse(load(spec, **overrides))
    if overrides:
        raise TypeError(f"a network is read already: give {' and '.join(overrides)} to load or from_torch")
    return analyse(spec)


Summary = Report
"""The former name of a report that prints as a table, which every report does."""


def _read_document(spec: Source) -> Document:
    """The values of a spec, wherever it comes from."""
    if isinstance(spec, Mapping):
        return Document(_normalise_value(spec))
    if isinstance(spec, str | os.PathLike):
        return files.read_file(os.fspath(spec))
    text = spec.read(files.MOST_BYTES + 1)
    if not isinstance(text, str):
        raise TypeError("load takes a path, a text stream or a mapping")
    file = getattr(spec, "name", None)
    return files.decode(text.encode("utf-8", "surrogatepass"), file if isinstance(file, str) else "<stream>", True)


def _normalise_value(value: Any, path: Path = ()) -> Any:
    """A value given from Python as a file would give it: tuples as lists, mappings as dicts, keys as text."""
    if len(path) > MOST_NESTING:
        raise InvalidSpec([Problem(path, f"nested more than {MOST_NESTING} deep", "CV004")])
    if isinstance(value, Mapping):
        return {str(key): _normalise_value(item, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normalise_value(item, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, int | float) and not abs(value) <= LARGEST:
        raise InvalidSpec([Problem(path, f"a number has at most {MOST_DIGITS} digits", "CV004")])
    return value


def _normalise_optional(value: Any) -> Any:
    """A tuple as a list, a mapping as a dict."""
    return None if value is None else _normalise_value(value)
