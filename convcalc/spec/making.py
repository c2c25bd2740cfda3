"""Makes layers from expanded entries: their arguments, their inputs, and their own or shared weights."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from convcalc.arguments import LayerName, NamedShape, list_required
from convcalc.layers import KINDS
from convcalc.layers.base import Layer
from convcalc.network import Node
from convcalc.problems import Flaw, Path, did_you_mean, shorten, show
from convcalc.shape import Shape
from convcalc.spec.entries import LISTS, Compiled, Computed, Problems, TooMuch
from convcalc.spec.resolve import Resolver
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Place, Scope, Tensor, Tensors, UnknownValue
from convcalc.spec.templates import Template

MOST_LAYERS = 50_000


@lru_cache(maxsize=10_000)
def make_layer(kind: type[Layer], shapes: tuple[Shape, ...], values: tuple[Any, ...]) -> Layer:
    """Return a layer from all its arguments, in the order of its keys; equal layers are one object. Raises Flaw."""
    return kind(shapes, dict(zip(kind.keys, values, strict=True)))


def make_written_layer(word: str, arguments: Mapping[str, Any], shapes: tuple[Shape, ...]) -> Layer:
    """Return a layer from a kind and arguments as a spec would contain them, without expressions. Raises Flaw.

    For example, from "conv", {"out_channels": 8, "kernel_size": 3} and the input shapes (3×32×32,).
    """
    kind, axes = KINDS[word], shapes[0].axes
    read = {name: kind.keys[name].read(value, axes) for name, value in arguments.items()}
    return make_layer(kind, shapes, tuple({**kind.defaults(axes), **read}.values()))


class LayerMaker(Resolver):
    """Makes layers and connects them; the results are in `nodes`."""

    def __init__(self, problems: Problems, params: dict[str, Any], inputs: dict[str, Shape | None]) -> None:
        super().__init__(problems, params)
        self.nodes: list[Node] = []
        self.inputs = tuple(Tensor(number, shape) for number, shape in enumerate(inputs.values()))

    def stop(self, path: Path, message: str) -> None:
        """Report that a limit is exceeded and stop. Raises TooMuch."""
        self.problems.add(
            path, message, "CV004", "this is the largest network that convcalc accepts", on_key=True, expansion=object()
        )
        raise TooMuch

    # -- layers

    def expand_layer(
        self, expansion: Expansion, kind: type[Layer], tensors: Tensors, name: str, frozen: bool, twin: Place | None
    ) -> Place:
        """Make the layer of an entry and add it to the network."""
        entry = expansion.entry
        shapes = tuple([tensor.shape for tensor in tensors])
        layer = entry.made.get(shapes)
        if layer is None:
            layer = self.make(expansion, kind, tensors, shapes)
            if entry.literal and not entry.dynamic and "like" not in entry.arguments:
                entry.made[shapes] = layer
        return self.add_node(expansion, layer, tensors, name, frozen, twin, entry.word_path)

    def make(
        self, expansion: Expansion, kind: type[Layer], tensors: Tensors, shapes: tuple[Shape | None, ...]
    ) -> Layer:
        """Return a layer of a kind, or an equal one made before. Raises UnknownValue after reporting a mistake."""
        arguments = self.arguments(expansion, kind, shapes[0])
        self.check_arity(expansion, kind, tensors)
        known = tuple([shape for shape in shapes if shape is not None])
        if arguments is None or expansion.entry.broken or len(known) < len(shapes):
            raise UnknownValue
        try:
            return make_layer(kind, known, tuple(arguments.values()))
        except Flaw as flaw:
            self.report_misfit(expansion, flaw)
            raise UnknownValue from None

    def add_node(
        self,
        expansion: Expansion,
        layer: Layer,
        tensors: Tensors,
        name: str,
        frozen: bool,
        twin: Place | None,
        path: Path,
    ) -> Place:
        """Add a layer to the network."""
        entry = expansion.entry
        if len(self.nodes) == MOST_LAYERS:
            self.stop(path, f"more than {MOST_LAYERS:,} layers")
        owner = None if twin is None else self.find_owner(expansion, layer, twin)
        reads = tuple([tensor.number for tensor in tensors])
        number = len(self.nodes)
        place = Place(entry.word, entry.path, (Tensor(len(self.inputs) + number, layer.output),))
        place.node = number
        self.nodes.append(Node(name, layer, reads, path, entry.line, frozen, owner))
        return place

    def check_arity(self, expansion: Expansion, kind: type[Layer], tensors: Tensors) -> None:
        """Report a wrong number of inputs: merges need at least two, opaque any number, all other kinds one."""
        if kind.reads_any or kind.reads_many == (len(tensors) > 1):
            return
        due = "at least two inputs" if kind.reads_many else "one input"
        hint = "name the inputs, such as from: [previous, input]"
        if not kind.reads_many:
            hint = "merge them first with add, multiply or concat"
        message = f"{kind.kind} needs {due}; got {len(tensors)}"
        self.problems.add(expansion.entry.word_path, message, "CV016", hint, on_key=True, **self.context(expansion))
        raise UnknownValue

    def arguments(self, expansion: Expansion, kind: type[Layer], shape: Shape | None) -> dict[str, Any] | None:
        """Return the arguments of a layer in their normal form, None if one is wrong."""
        entry, axes = expansion.entry, None if shape is None else shape.axes
        values = dict(kind.defaults(axes))
        known = True
        for name, compiled in entry.arguments.items():
            key = kind.keys.get(name)
            try:
                if key is None:
                    self.report_stray_argument(expansion, kind, name)
                plain = compiled.__class__ is int or compiled.__class__ is bool
                value = compiled if plain else self.value(compiled, (*entry.arguments_path, name), expansion)
                if isinstance(key, LayerName):
                    value = self.named_shape(expansion, name, value)
                assert key is not None
                values[name] = key.read(value, axes)
            except UnknownValue:
                known = False
            except Flaw as flaw:
                self.report_wrong_argument(expansion, name, compiled, flaw)
                known = False
        if entry.dynamic and known:
            known = self.has_required_arguments(expansion, kind)
        return values if known else None

    def report_stray_argument(self, expansion: Expansion, kind: type[Layer], name: str) -> None:
        """Report an argument that the layer kind named by a parameter does not have."""
        path = (*expansion.entry.arguments_path, name)
        message = f"{kind.kind} has no argument {show(name)}"
        self.problems.add(path, message, "CV010", did_you_mean(name, kind.keys), on_key=True, **self.context(expansion))
        raise UnknownValue

    def has_required_arguments(self, expansion: Expansion, kind: type[Layer]) -> bool:
        """Whether the layer kind named by a parameter has all the arguments that it requires."""
        absent = [name for name in list_required(kind.keys) if name not in expansion.entry.arguments]
        if absent:
            message = f"{expansion.entry.word} is {kind.kind} here, which needs {' and '.join(absent)}"
            self.problems.add(expansion.entry.word_path, message, "CV012", on_key=True, **self.context(expansion))
        return not absent

    def named_shape(self, expansion: Expansion, key: str, value: Any) -> Any:
        """Return the layer that an argument (`like`) names, with its output shape."""
        if not isinstance(value, str):
            return value
        outputs = self.find(expansion, value, (*expansion.entry.arguments_path, key)).outputs
        if len(outputs) != 1:
            raise Flaw(
                f"{key} must name something with one output; {show(value)} has {len(outputs)}", key=key, code="CV015"
            )
        if outputs[0].shape is None:
            raise UnknownValue
        return NamedShape(value, outputs[0].shape)

    def report_wrong_argument(self, expansion: Expansion, name: str, compiled: Compiled, flaw: Flaw) -> None:
        """Report a wrong value of an argument; the hint shows the expression that it comes from."""
        item = compiled
        for step in flaw.where:
            item = item.items[int(step)] if isinstance(item, Computed) else item
        hint = flaw.hint
        if isinstance(item, Template):
            hint = f"the value comes from {shorten(item.text)}"
        path = (*expansion.entry.arguments_path, name, *flaw.where)
        self.problems.add(path, flaw.message, flaw.code, hint, **self.context(expansion))

    def report_misfit(self, expansion: Expansion, flaw: Flaw) -> None:
        """Report a layer that does not fit its input, at the argument at fault if that is written."""
        entry = expansion.entry
        written = flaw.key is not None and flaw.key in entry.arguments
        path = (*entry.arguments_path, str(flaw.key), *flaw.where) if written else entry.word_path
        self.problems.add(path, flaw.message, flaw.code, flaw.hint, on_key=not written, **self.context(expansion))

    # -- shared weights

    def find_twin(self, expansion: Expansion, home: Scope, name: str) -> Place | None:
        """Return the earlier layer or use of a block whose weights are reused here, None if there is none."""
        if "share" not in expansion.entry.options:
            return None if home.twin is None else (home.twin.children or {}).get(name)
        value = self.option(expansion, "share")
        path = expansion.entry.option_path("share")
        if not isinstance(value, str):
            self.report_wrong_option(expansion, "share", f"share must be the name of a layer; got {show(value)}")
            raise UnknownValue
        place = self.find(expansion, value, path)
        shareable = place.node is not None or place.signature is not None
        if expansion.entry.word in LISTS or not (shareable or place.outputs == (UNKNOWN_TENSOR,)):
            self.report_unshareable(expansion, "single layers or uses of a block")
        if not shareable:
            raise UnknownValue
        return place

    def report_unshareable(self, expansion: Expansion, due: str) -> None:
        """Report weights that cannot be shared. Raises UnknownValue."""
        self.report_wrong_option(expansion, "share", f"weights can be shared only between {due}", code="CV015")
        raise UnknownValue

    def find_owner(self, expansion: Expansion, layer: Layer, twin: Place) -> int:
        """Return the node whose weights a layer reuses, after checking that kind, arguments and weights are equal."""
        if twin.outputs == (UNKNOWN_TENSOR,):
            raise UnknownValue
        if twin.node is None:
            self.report_unshareable(expansion, "layers of the same kind")
        assert twin.node is not None
        node = self.nodes[twin.node]
        other = node.layer
        same = other.kind == layer.kind and other.given == layer.given
        if not same or other.weight_input() != layer.weight_input():
            due = "of the same kind and arguments" if not same else "with the same input channels"
            self.problems.add(
                expansion.entry.option_path("share")
                if "share" in expansion.entry.options
                else expansion.entry.word_path,
                f"weights can be shared only between layers {due}: {node.name} is {other.kind} {other.glance()} "
                f"on {other.input}, this is {layer.kind} {layer.glance()} on {layer.input}",
                "CV015",
                **self.context(expansion),
            )
            raise UnknownValue
        return twin.node if node.owner is None else node.owner
