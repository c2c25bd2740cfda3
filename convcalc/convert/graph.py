"""Defines a `Graph`: an imported network, as a list of `Step`s in an order of execution.

Every importer returns a Graph. `plain_spec` and `decompile.spec_writer.spec_text` turn it into a spec. For example, the
ONNX node `Relu` becomes `Step("relu1", "relu", {}, ("conv1",))`, which is one layer of the spec.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from convcalc.problems import NotImported as NotImported  # every reader imports it from here
from convcalc.problems import shorten
from convcalc.size_correction import describe_wrong_number_of_sizes, suggest_sizes
from convcalc.spec.entries import MOST_NAME, RESERVED_NAMES

Shapes = Mapping[str | None, Sequence[int]]
"""Shapes that the user gave for inputs, by name and without the batch; the key None is the only input of a model."""
Follow = Callable[[Iterable[Any], int], Iterable[Any]]
"""Takes the items that a reader goes through and their number, and yields the items: for progress bars."""
Reader = Callable[..., "Graph"]
"""The function `read(path, inputs, follow)` of every module that `formats.FORMATS` names as a reader.

Its further arguments, if any, are the `parameters` of the format, and have defaults. It raises OSError if the file
cannot be read, and NotImported if its content is unsupported or exceeds a limit.
"""
_AXES = {1: "C", 2: "CL", 3: "CHW", 4: "CDHW"}  # letters for unknown sizes, by the number of sizes of a sample


class Step(NamedTuple):
    """One layer of an imported network.

    `name` is unique and may be any text; dots separate nested scopes, as in `layer1.conv1`. `named` is False if an
    exporter generated the name. `kind` and `arguments` are the layer kind and its arguments, possibly with defaults.
    `reads` are the names of the inputs or earlier steps that the layer reads; the argument `like`, if any, is such a
    name too. `share` is the name of the earlier step whose weights the layer uses; None if its weights are its own.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any]
    reads: tuple[str, ...]
    share: str | None = None
    frozen: bool = False
    named: bool = True


class Graph(NamedTuple):
    """An imported network. Input shapes are of one sample, channels first; `origin` says where the network came from.

    `notes` report what the spec cannot express, such as opaque steps or several data types. `dtype` maps `weights`,
    `activations` and `bias` to data types; it is empty if all are float32. `remarks` say what else a reader should
    know.
    """

    name: str
    origin: str
    inputs: Mapping[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()
    dtype: Mapping[str, str] = {}
    remarks: tuple[str, ...] = ()


class WrongNumberOfSizes(NotImported):
    """The shape that the user gave for an input has the wrong number of sizes.

    `name` is the key of that shape in `Shapes`. If the shape has a batch size in front, `batch` is that size and
    `sizes` the shape without it; otherwise `batch` is None.
    """

    def __init__(self, message: str, name: str | None, sizes: Sequence[int], batch: int | None) -> None:
        super().__init__(message)
        self.name = name
        self.sizes = tuple(sizes)
        self.batch = batch


def legal_names(names: Iterable[str]) -> dict[str, str]:
    """Map each name to a unique name that a spec allows: letters, digits, `_` and `-`, beginning with a letter."""
    given: dict[str, str] = {}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for name in names:
        legal = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-") or "layer"
        if not legal[0].isalpha():
            legal = f"layer_{legal}"
        legal = legal[:150]
        number, candidate = counts.get(legal, 1), legal
        while candidate in taken or candidate in RESERVED_NAMES:
            number += 1
            candidate = f"{legal}_{number}"
        counts[legal] = number
        taken.add(candidate)
        given[name] = candidate
    return given


def plain_spec(graph: Graph) -> dict[str, Any]:
    """Return the spec of a graph as Python values, with one entry per step and every input stated.

    Repeated steps are not folded into blocks.
    """
    names = legal_names([*graph.inputs, *(step.name for step in graph.steps)])
    entries = []
    for step in graph.steps:
        reads = [names[name] for name in step.reads]
        options: dict[str, Any] = {"name": names[step.name]}
        if reads:
            options["from"] = reads[0] if len(reads) == 1 else reads
        if step.share is not None:
            options["share"] = names[step.share]
        if step.frozen:
            options["frozen"] = True
        arguments = _to_spec_value(step.arguments)
        if arguments.get("like") in names:
            arguments["like"] = names[arguments["like"]]
        entries.append({step.kind: {**arguments, **options}})
    return {
        "name": title(graph),
        **({"dtype": dict(graph.dtype)} if graph.dtype else {}),
        "inputs": {names[name]: list(shape) for name, shape in graph.inputs.items()},
        "layers": entries,
        "outputs": [names[name] for name in graph.outputs],
    }


def check_number_of_sizes(name: str | None, given: Sequence[int], own: Sequence[int | None]) -> None:
    """Raise WrongNumberOfSizes if the shape that the user gave for an input has more or fewer sizes than the file's.

    `own` is the input's shape in the file, without the batch; None is an unknown size. `name` is the input's name, or
    None if the shape was given without one.
    """
    if len(given) == len(own):
        return
    sizes = [size or 0 for size in own]
    better = suggest_sizes(given, sizes)
    option = "--input" if name is None else f"--input {shorten(name)}"
    message = describe_wrong_number_of_sizes(given, sizes, option, "the file's input without the batch")
    message = f"{message}; {better.advice}: {format_input_option(name, better.sizes)}"
    has_batch = better.batch is not None and better.sizes == tuple(given[1:])
    raise WrongNumberOfSizes(message, name, better.sizes, better.batch if has_batch else None)


def format_input_option(name: str | None, sizes: Sequence[int | None]) -> str:
    """Return the option that gives the shape of an input, with the sizes that the file states: `--input x=1,64,W`.

    An unknown size (0 or None) becomes the letter of its axis. If no size of an image is known, the option has the
    sizes 3,224,224 as an example. `name` is None if the input needs no name.
    """
    if not any(sizes) and len(sizes) in (0, 3):
        sizes = (3, 224, 224)
    letters = _AXES.get(len(sizes), "N" * len(sizes))
    text = ",".join(str(size or letter) for size, letter in zip(sizes, letters, strict=True))
    return f"--input {text}" if name is None else f"--input {shorten(name)}={text}"


def title(graph: Graph) -> str:
    """Return the name of a graph, shortened to the length that a spec allows."""
    return shorten(graph.name, MOST_NAME).strip()[:MOST_NAME] or "network"


def sort_steps(graph: Graph) -> Graph:
    """Return the graph with its steps in an order of execution in which each branch ends before the next begins.

    Used for file formats that do not list layers in an order of execution. The order is depth first, from each output
    back to the inputs.
    """
    steps = {step.name: step for step in graph.steps}
    placed: dict[str, Step] = {}
    for last in (*graph.outputs, *steps):
        waiting = [last] if last in steps else []
        while waiting:
            step = steps[waiting[-1]]
            needed = (*step.reads, step.share, step.arguments.get("like"))
            missing = [name for name in needed if name in steps and name not in placed]
            if missing:
                waiting.append(missing[0])
                continue
            placed.setdefault(waiting.pop(), step)
    return graph._replace(steps=tuple(placed.values()))


def use_pointwise_kind(graph: Graph) -> Graph:
    """Return the graph with every 1×1 `conv` as a `pointwise_conv` if the network has a depthwise convolution.

    Papers on networks with depthwise convolutions use this term. 1×1 convolutions with padding remain `conv`.
    """
    if not any(step.kind == "depthwise_conv" for step in graph.steps):
        return graph
    return graph._replace(steps=tuple(_rename_to_pointwise(step) for step in graph.steps))


def _rename_to_pointwise(step: Step) -> Step:
    if (
        step.kind != "conv"
        or "weight_standardized" in step.arguments
        or collect_values(step.arguments["kernel_size"]) != {1}
    ):
        return step
    if collect_values(step.arguments.get("padding", 0)) != {0}:
        return step
    arguments = {
        key: step.arguments[key] for key in ("out_channels", "stride", "groups", "bias") if key in step.arguments
    }
    return step._replace(kind="pointwise_conv", arguments=arguments)


def drop_defaults(**arguments: Any) -> dict[str, Any]:
    """Return the arguments of a layer without those that have the default value of every kind."""
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "output_padding": 0}
    return {name: value for name, value in arguments.items() if name not in defaults or value != defaults[name]}


def collect_values(value: Any) -> set[Any]:
    """Return the distinct values in an argument, which may be a value or nested lists: {1, 2} for [[1, 2], [1, 1]]."""
    if isinstance(value, list | tuple):
        return {number for item in value for number in collect_values(item)}
    return {value}


def _to_spec_value(value: Any) -> Any:
    """Return a value as a spec writes it. Tuples become lists, and `$`, which begins an expression, is doubled."""
    if isinstance(value, Mapping):
        return {name: _to_spec_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_spec_value(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
