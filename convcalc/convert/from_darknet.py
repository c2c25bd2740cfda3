"""Imports Darknet configurations (`.cfg`): text files that list the layers of a network, section by section.

For example, a section `[convolutional]` with `filters=32`, `size=3`, `pad=1` and `activation=leaky` becomes a `conv`
and a `leaky_relu`. Nothing but the text is needed. Source: the defaults and the formulas of the output sizes are those
of src/parser.c and of the files per layer in github.com/pjreddie/darknet and github.com/AlexeyAB/darknet.
"""

import os
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from convcalc.convert.graph import (
    Follow,
    Graph,
    NotImported,
    Shapes,
    Step,
    check_number_of_sizes,
    drop_defaults,
    use_pointwise_kind,
)
from convcalc.convert.loading_check import make_loadable
from convcalc.convert.text_files import Mistake, read_text_file, report
from convcalc.layers.make import make_written_layer
from convcalc.network import MOST_LAYERS
from convcalc.problems import Flaw, did_you_mean, shorten, show
from convcalc.shape import Shape
from convcalc.spec.document import Document, Extent

_MOST_DIGITS = 9  # of an integer in the file
_INPUT = "data"
_NETWORK = ("net", "network")
_DETECTORS = frozenset({"yolo", "region", "detection", "Gaussian_yolo", "cost", "iseg"})
_UNSUPPORTED_SECTIONS = ("conv_lstm", "crnn", "gru", "history", "implicit", "lstm", "rnn")  # no misspelt others
# options that change the shapes or costs of layers
_SHAPING_OPTIONS = frozenset(
    {"activation", "batch_normalize", "dilation", "filters", "from", "groups", "layers", "output", "pad", "padding"}
    | {"size", "stride"}
)
_UNSUPPORTED_OPTIONS = frozenset(  # options that change params or the computation in other ways than a spec can say
    {"antialiasing", "coordconv", "maxpool_depth", "rotate", "share_index", "stretch", "stretch_sway", "sway"}
    | {"weights_type"}
)
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]] | None] = {
    "linear": None,
    "leaky": ("leaky_relu", {"negative_slope": 0.1}),
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "logistic": ("sigmoid", {}),
    "tanh": ("tanh", {}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
    "gelu": ("gelu", {}),
    "swish": ("silu", {}),
    "mish": ("mish", {}),
}


class _Option(NamedTuple):
    """The value of an option, and its place in the file."""

    text: str
    extent: Extent


class _Section(NamedTuple):
    """A section of the file: its name, the place and line of its heading, and its options."""

    name: str
    extent: Extent
    line: int
    options: dict[str, _Option]

    def find(self, key: str) -> Extent:
        """Return the place of an option's value; that of the heading if the option is not given."""
        return self.options[key].extent if key in self.options else self.extent

    def read(self, key: str, default: int | None = None, least: int = 0) -> int:
        """Return an option as an integer. Raises Mistake if it is missing or smaller than `least`."""
        if key not in self.options:
            if default is None:
                raise self.report_missing(key)
            return default
        text = self.options[key].text
        if not text.removeprefix("-").isdecimal() or len(text) > _MOST_DIGITS or int(text) < least:
            expected = f"an integer of at least {least} with at most {_MOST_DIGITS} digits"
            raise Mistake(f"{key} must be {expected}; got {show(text)}", self.find(key))
        return int(text)

    def report_missing(self, key: str) -> Mistake:
        """Return the mistake that a required option is missing."""
        return Mistake(f"[{shorten(self.name)}] has no {key}", self.extent, code="CV012")

    @property
    def is_normalised(self) -> bool:
        """Whether the layer has a batch norm in place of a bias."""
        return bool(self.read("batch_normalize", 0))

    def read_text(self, key: str, default: str) -> str:
        return self.options[key].text if key in self.options else default

    def read_list(self, key: str) -> list[int]:
        """Return an option as a list of integers. Raises Mistake if it is missing or malformed."""
        if key not in self.options:
            raise self.report_missing(key)
        text = self.options[key].text
        parts = [part for part in text.split(",") if part]
        if not parts or any(not part.removeprefix("-").isdecimal() or len(part) > _MOST_DIGITS for part in parts):
            raise Mistake(f"{key} must be a list of integers; got {show(text)}", self.find(key))
        return [int(part) for part in parts]


class _Output(NamedTuple):
    """The output of a section: the step or input that produces it, and its shape."""

    step: str
    shape: Shape


def read(path: str, inputs: Shapes | None = None, follow: Follow | None = None) -> Graph:
    """Return the network of a Darknet configuration.

    `inputs` maps `data` or None to a shape, channels first, that replaces the one in the file. `follow` takes the
    sections and their number and returns an iterable over them, for progress bars. Raises OSError if the file cannot be
    read; InvalidSpec with the place of the first mistake in it; NotImported if it exceeds a limit or has no layers.
    """
    document = read_text_file(path)
    try:
        graph = _read_graph(document, path, inputs or {}, follow)
    except Mistake as mistake:
        raise report(document, [mistake]) from None
    return make_loadable(use_pointwise_kind(graph))


def _read_graph(document: Document, path: str, inputs: Shapes, follow: Follow | None) -> Graph:
    network, *sections = _read_sections(document)
    if network.name not in _NETWORK:
        raise Mistake(f"the first section must be [net]; got [{shorten(network.name)}]", network.extent)
    builder = _Builder(_find_input_shape(network, inputs))
    for number, section in enumerate(follow(sections, len(sections)) if follow else sections):
        builder.add_section(number, section)
    title = os.path.splitext(os.path.basename(path))[0]
    return builder.make_graph(title, f"{os.path.basename(path)} (Darknet)")


def _read_sections(document: Document) -> list[_Section]:
    """Return the sections of a file. Raises Mistake if it is malformed, and NotImported if it has no or many sections.

    As in Darknet, blanks are ignored, and the first of several options with one name is used.
    """
    sections: list[_Section] = []
    start = 0
    for number, line in enumerate((document.text or "").splitlines(keepends=True), start=1):
        content = re.split("[#;]", line, maxsplit=1)[0]
        text = "".join(content.split())
        extent = _find_extent(content, start)
        if text.startswith("["):
            sections.append(_Section(text.strip("[]"), extent, number, {}))
        elif text:
            key, equals, value = text.partition("=")
            if not equals or not sections:
                raise Mistake("expected a section such as [net] or an option such as width=416", extent, code="CV002")
            _, _, right = content.partition("=")
            option = _Option(value, _find_extent(right, start + len(content) - len(right)) if value else extent)
            sections[-1].options.setdefault(key, option)
        if len(sections) > MOST_LAYERS:
            raise NotImported(f"more than {MOST_LAYERS:,} sections")
        start += len(line)
    if len(sections) < 2:
        raise NotImported("it has no layers: expected a section [net] and then one section per layer")
    return sections


def _find_extent(text: str, start: int) -> Extent:
    """Return the extent of a text without the blanks around it; the text begins at `start`."""
    first = start + len(text) - len(text.lstrip())
    return first, max(start + len(text.rstrip()), first)


def _find_input_shape(network: _Section, inputs: Shapes) -> Shape:
    unknown = [name for name in inputs if name not in (None, _INPUT)]
    if unknown:
        raise NotImported(f"--input needs the name of an input; available: {_INPUT}")
    given = next(iter(inputs.values()), None)
    sizes = [network.read(key, 0) for key in ("channels", "height", "width")]
    if not all(sizes) and network.options.get("inputs"):
        sizes = [network.read("inputs", least=1)]
    if given is not None:
        check_number_of_sizes(_INPUT if _INPUT in inputs else None, given, sizes)
        sizes = list(given)
    if not all(sizes):
        raise NotImported(f"[{network.name}] states no width, height and channels: give --input 3,416,416")
    return Shape(sizes[0], tuple(sizes[1:]))


def _check_spelling(section: _Section) -> None:
    """Raise Mistake for an option that Darknet would ignore, and whose name is nearly that of one that it reads."""
    missing = sorted(_SHAPING_OPTIONS - section.options.keys())
    for key, option in section.options.items():
        near = [name for name in missing if abs(len(name) - len(key)) <= 1]
        hint = did_you_mean(key, near) if key not in _SHAPING_OPTIONS else ""
        if hint:
            raise Mistake(f"unknown option {shorten(key)} of [{section.name}]", option.extent, hint, "CV011")


class _Builder:
    """Turns sections into steps. `outputs` holds the output of each section so far."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.steps: list[Step] = []
        self.outputs: list[_Output] = []
        self.last = _Output(_INPUT, shape)
        self.detected: list[str] = []
        self.notes: list[str] = []
        self.scope = ""

    def make_graph(self, title: str, origin: str) -> Graph:
        """Return the graph. Its outputs are the inputs of the detection layers or, without these, the last layer."""
        read = {name for step in self.steps for name in step.reads}
        ends = [name for name in self.detected if name not in read]
        outputs = tuple(dict.fromkeys([*ends, *([] if self.last.step in read else [self.last.step])]))
        if not self.steps:
            raise NotImported("it has no layers between its input and its output")
        return Graph(title, origin, {_INPUT: self.shape.sizes}, tuple(self.steps), outputs, tuple(self.notes))

    def add_section(self, number: int, section: _Section) -> None:
        """Add the layers of a section. Raises Mistake if it is not supported or does not fit its input."""
        rule = _RULES.get(section.name)
        if rule is None:
            hint = "" if section.name in _UNSUPPORTED_SECTIONS else did_you_mean(section.name, _RULES)
            message = f"the section [{shorten(section.name)}] is not supported"
            raise Mistake(message, section.extent, hint, "CV011")
        for key in sorted(_UNSUPPORTED_OPTIONS & section.options.keys()):
            text, extent = section.options[key]
            if text not in ("0", "none"):
                raise Mistake(f"{key}={shorten(text)} is not supported", extent)
        _check_spelling(section)
        self.scope = f"layer{number}"
        try:
            rule(self, section)
        except Flaw as flaw:
            raise Mistake(f"[{section.name}]: {flaw.message}", section.extent, flaw.hint, flaw.code) from None
        self.outputs.append(self.last)

    def add(self, kind: str, arguments: dict[str, Any], *reads: _Output, part: str = "") -> None:
        """Add a layer that reads `reads`, by default the output of the layer before it."""
        sources = reads or (self.last,)
        layer = make_written_layer(kind, arguments, tuple(source.shape for source in sources))
        name = f"{self.scope}.{part or kind}"
        self.steps.append(Step(name, kind, arguments, tuple(source.step for source in sources)))
        self.last = _Output(name, layer.output)

    def add_activation(self, section: _Section, default: str) -> None:
        name = section.read_text("activation", default)
        if name not in _ACTIVATIONS:
            hint = did_you_mean(name, _ACTIVATIONS) or f"supported: {', '.join(_ACTIVATIONS)}"
            raise Mistake(f"unsupported activation {show(name)}", section.find("activation"), hint)
        found = _ACTIVATIONS[name]
        if found is not None:
            self.add(found[0], dict(found[1]))

    def add_norm_and_activation(self, section: _Section) -> None:
        """Add the batch norm and the activation that end a section with weights."""
        if section.is_normalised:
            self.add("batchnorm", {})
        self.add_activation(section, "logistic")

    def find_output(self, section: _Section, key: str, place: int) -> _Output:
        """Return the output of section number `place`. Counts from 0, or backwards from this section if negative."""
        absolute = len(self.outputs) + place if place < 0 else place
        if not 0 <= absolute < len(self.outputs):
            earlier = (
                f"the earlier ones are 0 to {len(self.outputs) - 1}" if self.outputs else "there is no earlier one"
            )
            raise Mistake(f"{key} refers to section {absolute}, but {earlier}", section.find(key))
        return self.outputs[absolute]


_Rule = Callable[[_Builder, _Section], None]


def _read_window(section: _Section, default_size: int) -> tuple[int, int, int]:
    """Return the size, the stride and the padding on each side of a convolution."""
    size, stride = section.read("size", default_size, least=1), section.read("stride", 1, least=1)
    padding = size // 2 if section.read("pad", 0) else section.read("padding", 0)
    return size, stride, padding


def _add_convolution(builder: _Builder, section: _Section) -> None:
    size, stride, padding = _read_window(section, 1)
    stride_x, stride_y = section.read("stride_x", stride, least=1), section.read("stride_y", stride, least=1)
    dilation = 1 if size == 1 else section.read("dilation", 1, least=1)
    groups, filters = section.read("groups", 1, least=1), section.read("filters", 1, least=1)
    arguments = drop_defaults(
        kernel_size=size,
        stride=stride_x if stride_x == stride_y else [stride_y, stride_x],
        padding=padding * dilation,
        dilation=dilation,
        bias=not section.is_normalised,
    )
    channels = builder.last.shape.channels
    if 1 < groups == channels:
        multiplier = {} if filters == groups else {"multiplier": filters // groups}
        builder.add("depthwise_conv", {**arguments, **multiplier}, part="conv")
    else:
        builder.add("conv", {"out_channels": filters, **arguments, **drop_defaults(groups=groups)})
    builder.add_norm_and_activation(section)


def _add_transposed_convolution(builder: _Builder, section: _Section) -> None:
    size, stride, padding = _read_window(section, 1)
    arguments = drop_defaults(kernel_size=size, stride=stride, padding=padding, bias=not section.is_normalised)
    builder.add("conv_transpose", {"out_channels": section.read("filters", 1, least=1), **arguments})
    builder.add_norm_and_activation(section)


def _add_local_convolution(builder: _Builder, section: _Section) -> None:
    """Add a convolution without weight sharing. Its option `pad` is the padding itself, 0 or 1."""
    size, stride = section.read("size", 1, least=1), section.read("stride", 1, least=1)
    arguments = drop_defaults(kernel_size=size, stride=stride, padding=section.read("pad", 0))
    builder.add("locally_connected", {"out_channels": section.read("filters", 1, least=1), **arguments})
    builder.add_activation(section, "logistic")


def _add_connected(builder: _Builder, section: _Section) -> None:
    if builder.last.shape.spatial:
        builder.add("flatten", {})
    builder.add(
        "linear", {"out_features": section.read("output", 1, least=1), **drop_defaults(bias=not section.is_normalised)}
    )
    builder.add_norm_and_activation(section)


def _add_max_pool(builder: _Builder, section: _Section) -> None:
    """Add a max pooling of n values to (n + padding - size) // stride + 1.

    `padding` is the sum of both sides, by default size - 1.
    """
    stride = section.read("stride", 1, least=1)
    size = section.read("size", stride, least=1)
    total = section.read("padding", size - 1)
    before, after = total // 2, total - total // 2
    needed = any((n + total - size) // stride != (n - size) // stride or before for n in builder.last.shape.spatial)
    padding: Any = 0 if not needed else before if before == after else [[before, after]] * builder.last.shape.axes
    given = {} if stride == size else {"stride": stride}
    builder.add("maxpool", {"kernel_size": size, **given, **drop_defaults(padding=padding)})


def _add_local_average(builder: _Builder, section: _Section) -> None:
    """Add an average pooling with the options of `_add_max_pool`; its padding must be even."""
    stride = section.read("stride", 1, least=1)
    size = section.read("size", stride, least=1)
    total = section.read("padding", size - 1)
    if total % 2:
        message = f"[{section.name}] with an odd padding of {total} is not supported"
        raise Mistake(message, section.find("padding"))
    given = {} if stride == size else {"stride": stride}
    builder.add("avgpool", {"kernel_size": size, **given, **drop_defaults(padding=total // 2)})


def _add_route(builder: _Builder, section: _Section) -> None:
    """Add a concatenation of the outputs of other sections.

    With the option `groups`, the channels of each output are split into groups, and only group `group_id` is used.
    """
    sources = [builder.find_output(section, "layers", place) for place in section.read_list("layers")]
    groups, group = section.read("groups", 1, least=1), section.read("group_id", 0)
    if groups > 1:
        parts = []
        for place, source in enumerate(sources):
            width = source.shape.channels // groups
            builder.add("slice", {"channels": [group * width, (group + 1) * width]}, source, part=f"slice{place}")
            parts.append(builder.last)
        sources = parts
    if len(sources) == 1:
        builder.last = sources[0]
    else:
        builder.add("concat", {}, *sources)


def _add_shortcut(builder: _Builder, section: _Section) -> None:
    places = section.read_list("from")
    sources = [builder.find_output(section, "from", place) for place in places]
    if all(source.shape == builder.last.shape for source in sources):
        builder.add("add", {}, builder.last, *sources)
    else:
        _add_partial_sum(builder, section, sources)
    builder.add_activation(section, "linear")


def _add_partial_sum(builder: _Builder, section: _Section, sources: Sequence[_Output]) -> None:
    """Add an opaque layer that sums the output of the section before and those of `sources`, of other shapes.

    Only the channels that both outputs have are added. If one output is k times as wide as the other, only every k-th
    of its positions is used. All other values stay as they are. Raises Mistake unless the sizes are multiples of
    each other. Source: shortcut_cpu in src/blas.c.
    """
    own = builder.last.shape
    shapes = " and ".join(str(source.shape) for source in sources)
    additions = 0
    for source in sources:
        pairs = list(zip(own.spatial, source.shape.spatial, strict=False))
        factors = {(one // other, other // one) for one, other in pairs}
        if any(one % other and other % one for one, other in pairs) or len(factors) > 1:
            raise Mistake(f"[shortcut] cannot add {shapes} to {own}", section.find("from"), code="CV016")
        additions += min(own.channels, source.shape.channels) * min(own.positions, source.shape.positions)
    builder.notes.append(f"line {section.line}: [shortcut] adds {shapes} to {own}")
    known = {"receptive_field": "same"} if all(source.shape.spatial == own.spatial for source in sources) else {}
    cost = {"multiplications": 0, "additions": additions, "macs": 0, **known, "what": "sum of the common values"}
    builder.add("opaque", {"output_shape": list(own.sizes), **cost}, builder.last, *sources, part="add")


def _add_product(builder: _Builder, section: _Section) -> None:
    """Multiply the input by another section's output, which has one factor per channel, or per value for `sam`."""
    [place] = section.read_list("from")[:1]
    builder.add("multiply", {}, builder.last, builder.find_output(section, "from", place))
    builder.add_activation(section, "linear")


def _add_upsample(builder: _Builder, section: _Section) -> None:
    stride = section.read("stride", 2)
    if stride < 0:
        raise Mistake("[upsample] with a negative stride is not supported", section.find("stride"))
    builder.add("upsample", {"scale_factor": stride})


def _add_reorganisation(builder: _Builder, section: _Section) -> None:
    """Add a pixel_unshuffle, or a pixel_shuffle if `reverse` is set. Darknet orders the channels differently."""
    if section.read("reverse", 0):
        builder.add("pixel_shuffle", {"upscale_factor": section.read("stride", 1, least=1)})
    else:
        builder.add("pixel_unshuffle", {"downscale_factor": section.read("stride", 1, least=1)})


def _add_crop(builder: _Builder, section: _Section) -> None:
    sizes = [section.read(key, 1, least=1) for key in ("crop_height", "crop_width")]
    amounts = [before - after for before, after in zip(builder.last.shape.spatial, sizes, strict=True)]
    if any(amount < 0 for amount in amounts):
        message = f"[crop] is larger than its input {builder.last.shape}"
        raise Mistake(message, section.find("crop_height"), code="CV016")
    if any(amounts):
        builder.add("crop", {"amount": [[amount // 2, amount - amount // 2] for amount in amounts]})


def _add_dropout(builder: _Builder, section: _Section) -> None:
    text = section.read_text("probability", ".5")
    try:
        share = float(text)
    except ValueError:
        raise Mistake(f"probability must be a number; got {show(text)}", section.find("probability")) from None
    builder.add("dropout", {} if share == 0.5 else {"p": share})


def _add_response_norm(builder: _Builder, section: _Section) -> None:
    builder.add("local_response_norm", {} if section.read("size", 5) == 5 else {"size": section.read("size", 5)})


def _add_detector(builder: _Builder, section: _Section) -> None:
    """Make the input of a detection layer an output of the network: decoding boxes has no params and no MACs."""
    builder.detected.append(builder.last.step)


def _make_rule(kind: str, **arguments: Any) -> _Rule:
    """Return a rule for a section that has no options of its own."""
    return lambda builder, section: builder.add(kind, dict(arguments))


_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("convolutional", "conv"), _add_convolution),
    **dict.fromkeys(("deconvolutional", "deconv"), _add_transposed_convolution),
    "local": _add_local_convolution,
    **dict.fromkeys(("connected", "conn"), _add_connected),
    **dict.fromkeys(("maxpool", "max"), _add_max_pool),
    **dict.fromkeys(("local_avgpool", "local_avg"), _add_local_average),
    **dict.fromkeys(("avgpool", "avg"), _make_rule("global_avgpool")),
    "route": _add_route,
    "shortcut": _add_shortcut,
    **dict.fromkeys(("scale_channels", "sam"), _add_product),
    "upsample": _add_upsample,
    **dict.fromkeys(("reorg", "reorg3d"), _add_reorganisation),
    "crop": _add_crop,
    "dropout": _add_dropout,
    "batchnorm": _make_rule("batchnorm"),
    **dict.fromkeys(("softmax", "soft"), _make_rule("softmax")),
    **dict.fromkeys(("normalization", "lrn"), _add_response_norm),
    "activation": lambda builder, section: builder.add_activation(section, "linear"),
    **dict.fromkeys(("empty", "silence"), lambda builder, section: None),
    **dict.fromkeys(_DETECTORS, _add_detector),
}
