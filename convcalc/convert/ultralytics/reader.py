"""Imports a model YAML of Ultralytics YOLO: reads the file, and adds the layers of each of its entries.

For example, the entry `- [-1, 1, Conv, [64, 3, 2]]`, if it is the first, becomes the layers model.0.conv, model.0.bn
and model.0.act.
"""

import os
from collections.abc import Mapping
from typing import Any

from convcalc.convert.graph import Follow, Graph, NotImported, Shapes, Step, check_number_of_sizes, use_pointwise_kind
from convcalc.convert.loading_check import make_loadable
from convcalc.convert.ultralytics import blocks
from convcalc.convert.ultralytics.file_names import find_file, find_scale_letter
from convcalc.convert.ultralytics.model_file import Entry, ModelFile
from convcalc.convert.ultralytics.modules import MODULES, Module, Variant
from convcalc.convert.ultralytics.scope import Scope, Tensor
from convcalc.convert.ultralytics.signatures import bind, list_parameters
from convcalc.problems import Flaw, did_you_mean, printable, show
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.files import MOST_BYTES, reached_through_link
from convcalc.spec.problem_list import Problems, TooMuch
from convcalc.spec.source import read_text

INPUT = "images"
_SIZE, _CLASSIFIER_SIZE = 640, 224  # of images, unless an input is given
_Outputs = list[Tensor] | None  # of an entry; None if it is wrong


def read(
    path: str,
    inputs: Shapes | None = None,
    follow: Follow | None = None,
    scale: str | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Graph:
    """Return the network of an Ultralytics model YAML.

    `inputs` is as in `from_onnx.read`; without it, images have 640×640 pixels, or 224×224 for a classifier. `scale` is
    the letter of a scale in the file, by default the one in the file's name, such as the n of yolov8n.yaml, else the
    first. If there is no yolov8n.yaml, its name stands for the scale n of yolov8.yaml. `aliases` maps names of a user's
    own modules to those of supported ones. `follow` is not used: a file is read in an instant.

    Raises OSError if the file cannot be read, InvalidSpec with the places of mistakes in it, and NotImported if it is
    too large or the input does not fit.
    """
    _check_parameters(scale, aliases)
    modules = _find_modules(aliases or {})
    document = _read_document(find_file(path))
    problems = Problems()
    steps: list[Step] = []
    outputs: _Outputs = None
    try:
        model = ModelFile(document, problems, scale, find_scale_letter(path))
        images = _choose_input(model, inputs or {})
        outputs = _add_entries(model, modules, images, steps)
    except TooMuch:
        pass  # the problems found so far are reported
    if problems.found:
        raise document.invalid(problems.found)
    if not outputs:
        raise NotImported("it has no layers")
    letter = model.scaling.letter
    return _make_graph(
        os.path.splitext(os.path.basename(path))[0],
        f"{printable(os.path.basename(str(document.file)))} (Ultralytics{letter and f', scale {letter}'})",
        images,
        steps,
        outputs,
    )


def _check_parameters(scale: object, aliases: object) -> None:
    """Raise NotImported for a value of the wrong type, as `NET@scale=5` may give."""
    if scale is not None and (not isinstance(scale, str) or not scale):
        raise NotImported(f"scale must be the letter of a scale, such as n; got {show(scale)}")
    valid = isinstance(aliases, Mapping) and all(isinstance(part, str) for pair in aliases.items() for part in pair)
    if aliases is not None and not valid:
        raise NotImported(f"aliases must map names of modules to names, such as {{Mine: C2f}}; got {show(aliases)}")


def _read_document(file: str) -> Document:
    """Return the values in a file.

    Raises OSError if the file cannot be read, NotImported if it is too large or not UTF-8, and InvalidSpec if it is not
    valid YAML.
    """
    with open(file, "rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise NotImported(f"larger than {MOST_BYTES // 1024**2} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotImported(f"not UTF-8: byte 0x{data[error.start]:02x}") from None
    document = read_text(text, file, not reached_through_link(file))
    if document.problems:
        raise document.invalid(document.problems)
    return document


def _make_graph(name: str, origin: str, images: Tensor, steps: list[Step], outputs: list[Tensor]) -> Graph:
    """Return the graph of all steps. Raises NotImported if they do not make a valid spec."""
    unique = tuple(dict.fromkeys(tensor.name for tensor in outputs))
    graph = Graph(name, origin, {images.name: images.shape.sizes}, tuple(steps), unique)
    return make_loadable(use_pointwise_kind(graph))


def _choose_input(model: ModelFile, given: Shapes) -> Tensor:
    """Return the input of the network. Raises NotImported if the given shape does not fit."""
    last = model.entries[-1] if model.entries else None
    size = _CLASSIFIER_SIZE if last is not None and last.module == "Classify" else _SIZE
    own: tuple[int, ...] = (model.channels, size, size)
    for name, sizes in given.items():
        if name not in (None, INPUT):
            raise NotImported(f"there is no input {printable(str(name))}; the input is called {INPUT}")
        check_number_of_sizes(name, sizes, (model.channels, size, size))
        own = tuple(sizes)
    return Tensor(INPUT, Shape(own[0], own[1:]))


def _find_modules(aliases: Mapping[str, str]) -> dict[str, Module]:
    """Return all modules by name and by alias. Raises NotImported if an alias stands for an unknown module."""
    for alias, name in aliases.items():
        if name not in MODULES:
            hint = did_you_mean(name, MODULES)
            raise NotImported(
                f"{printable(alias)} cannot be mapped to {printable(name)}: unknown module{hint and f', {hint}'}"
            )
    return {**MODULES, **{alias: MODULES[name] for alias, name in aliases.items()}}


def _add_entries(model: ModelFile, modules: Mapping[str, Module], images: Tensor, steps: list[Step]) -> _Outputs:
    """Add the layers of all entries to `steps` and return the outputs of the last entry; report mistakes to `model`."""
    variant = Variant(model.scaling.letter, model.bins, model.end2end)
    results: list[_Outputs] = []
    for place, entry in enumerate(model.entries):
        found: _Outputs = None
        module = None if entry is None else _find_module(model, modules, entry)
        if entry is not None and module is not None:
            arguments = _bind_arguments(model, entry, module, variant)
            sources = [[images] if source < 0 else results[source] for source in entry.sources]
            known = [source for source in sources if source is not None]
            if arguments is not None and len(known) == len(sources):
                scope = Scope(steps, f"model.{place}", model.activation)
                found = _add_entry(model, entry, module, scope, known, arguments)
            variant = variant._replace(is_new=variant.is_new or module.is_new)
        results.append(found)
    return results[-1] if results else None


def _find_module(model: ModelFile, modules: Mapping[str, Module], entry: Entry) -> Module | None:
    """Return the module that an entry names; if it is unknown, report it and return None."""
    module = modules.get(entry.module)
    if module is None:
        hint = did_you_mean(entry.module, modules)
        model.problems.add((*entry.path, 2), f"unknown module {printable(entry.module)}", "CV011", hint)
    return module


def _bind_arguments(model: ModelFile, entry: Entry, module: Module, variant: Variant) -> dict[str, Any] | None:
    """Return the arguments of a module: those in the file, with scaled channels, and those that depend on the scale.

    If an argument in the file is wrong, report it and return None.
    """
    parameters = list_parameters(module.add)
    if module.repeats:
        parameters.pop("n")
    try:
        arguments = bind(entry.module, parameters, entry.arguments)
    except Flaw as flaw:
        model.problems.add((*entry.path, 3, *flaw.where), flaw.message, flaw.code, flaw.hint)
        return None
    if module.scaled is not None:
        name = list(parameters)[module.scaled]
        channels = arguments.get(name, parameters[name].default)
        if channels != model.classes:
            arguments[name] = model.scaling.scale_channels(channels)
    if module.repeats:
        arguments["n"] = entry.number
    if module.adjust is not None:
        module.adjust(arguments, variant)
    return arguments


def _add_entry(
    model: ModelFile,
    entry: Entry,
    module: Module,
    scope: Scope,
    sources: list[list[Tensor]],
    arguments: Mapping[str, Any],
) -> _Outputs:
    """Add the layers of an entry and return its outputs; if there is a mistake, report it and return None."""
    try:
        return _add_module(entry, module, scope, _choose_read(entry, module, sources), arguments)
    except Flaw as flaw:
        path = (*entry.path, 3, *flaw.where) if flaw.where else entry.path
        model.problems.add(path, flaw.message, flaw.code, flaw.hint)
        return None


def _choose_read(entry: Entry, module: Module, sources: list[list[Tensor]]) -> Any:
    """Return the input of a module: a tensor, a list of tensors, or a list of lists of tensors.

    Raises Flaw if the entry does not have such an input.
    """
    if entry.many != module.many:
        wanted = "a list of layers: [-1]" if module.many else "one layer, not a list"
        raise Flaw(f"{entry.module} reads {wanted}")
    if module.parts:
        return sources
    if any(len(source) != 1 for source in sources):
        raise Flaw(f"{entry.module} cannot read a layer with several outputs; only CBFuse can")
    tensors = [source[0] for source in sources]
    return tensors if module.many else tensors[0]


def _add_module(entry: Entry, module: Module, scope: Scope, read: Any, arguments: Mapping[str, Any]) -> list[Tensor]:
    """Add a module and return its outputs; it is added `entry.number` times unless the module itself repeats."""
    if module.repeats or entry.number <= 1:
        found = module.add(scope, read, **arguments)
        return found if isinstance(found, list) else [found]
    if module.many or module.add is blocks.add_cb_linear:
        raise Flaw(f"{entry.module} cannot be repeated")
    channels = read.shape.channels
    for index in range(entry.number):
        if read.shape.channels != channels:
            needed = f"its output must have the {channels} channels of its input; got {read.shape.channels}"
            raise Flaw(f"{entry.module} is repeated, so {needed}", code="CV016")
        read = module.add(scope.inner(index), read, **arguments)
    return [read]
