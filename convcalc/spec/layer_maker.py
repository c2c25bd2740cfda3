"""Makes the layer of an expanded entry: evaluates its arguments and checks them against the layer kind and the inputs.

For example, `conv: {out_channels: $width, kernel_size: 3}` on an input of 3×32×32 becomes a `Conv` with the output
64×30×30 if the parameter width is 64.
"""

from typing import Any

from convcalc.arguments import Key, LayerName, NamedShape, list_required
from convcalc.caching import is_paused
from convcalc.layers.base import Layer
from convcalc.layers.make import make_layer
from convcalc.problems import Flaw, Path, did_you_mean, shorten, show
from convcalc.shape import Shape
from convcalc.spec.entries import Compiled, Computed
from convcalc.spec.problem_list import ExpansionReporter
from convcalc.spec.resolve import Resolver
from convcalc.spec.scopes import Expansion, Tensors, UnknownValue
from convcalc.spec.templates import Template


class LayerMaker:
    """Makes layers; if a layer cannot be made, the mistake is reported and UnknownValue is raised."""

    def __init__(self, resolver: Resolver, reporter: ExpansionReporter) -> None:
        self.resolver = resolver
        self.reporter = reporter

    def make_layer(self, expansion: Expansion, kind: type[Layer], tensors: Tensors) -> Layer:
        """Return the layer of an entry with the inputs `tensors`. Raises UnknownValue after reporting a mistake.

        If the arguments have no expressions, the layer is cached in the entry, by the shapes of the inputs.
        """
        entry = expansion.entry
        shapes = tuple([tensor.shape for tensor in tensors])
        layer = None if is_paused() else entry.made.get(shapes)
        if layer is None:
            layer = self._make_new_layer(expansion, kind, shapes)
            if entry.literal and not is_paused() and not entry.dynamic and "like" not in entry.arguments:
                entry.made[shapes] = layer
        return layer

    def make_merge(self, expansion: Expansion, kind: type[Layer], tensors: Tensors, path: Path) -> Layer:
        """Return the layer that merges branches; `tensors` are their outputs, and `kind` is add, multiply or concat.

        `path` is the path of the key `merge`. Raises UnknownValue after reporting a mistake.
        """
        shapes = tuple(tensor.shape for tensor in tensors if tensor.shape is not None)
        if len(shapes) < len(tensors):
            raise UnknownValue
        try:
            return make_layer(kind, shapes, tuple(kind.defaults(shapes[0].axes).values()))
        except Flaw as flaw:
            self.reporter.report(expansion, path, flaw.message, flaw.code, flaw.hint)
            raise UnknownValue from None

    def _make_new_layer(self, expansion: Expansion, kind: type[Layer], shapes: tuple[Shape | None, ...]) -> Layer:
        arguments = self._evaluate_arguments(expansion, kind, shapes[0] if shapes else None)
        self._check_number_of_inputs(expansion, kind, len(shapes))
        known = tuple([shape for shape in shapes if shape is not None])
        if arguments is None or expansion.entry.broken or len(known) < len(shapes):
            raise UnknownValue
        try:
            return make_layer(kind, known, tuple(arguments.values()))
        except Flaw as flaw:
            self._report_impossible_layer(expansion, flaw)
            raise UnknownValue from None

    # -- arguments

    def _evaluate_arguments(
        self, expansion: Expansion, kind: type[Layer], shape: Shape | None
    ) -> dict[str, Any] | None:
        """Return all arguments by name, including defaults; None after reporting a mistake."""
        entry, axes = expansion.entry, None if shape is None else shape.axes
        values = dict(kind.defaults(axes))
        known = True
        for name, compiled in entry.arguments.items():
            try:
                key = self._find_declaration(expansion, kind, name)
                values[name] = key.read(self._evaluate_argument(expansion, key, name, compiled), axes)
            except UnknownValue:
                known = False
            except Flaw as flaw:
                self._report_wrong_argument(expansion, name, compiled, flaw)
                known = False
        if entry.dynamic and known:
            known = self._has_required_arguments(expansion, kind)
        return values if known else None

    def _find_declaration(self, expansion: Expansion, kind: type[Layer], name: str) -> Key[Any]:
        """Return the `Key` of an argument. Raises UnknownValue after reporting that there is no such argument.

        This happens only for an entry such as `- $act: {…}`. For others, it was reported when the entry was compiled.
        """
        key = kind.keys.get(name)
        if key is None:
            path = expansion.entry.argument_path(name)
            message, hint = f"{kind.kind} has no argument {show(name)}", did_you_mean(name, kind.keys)
            self.reporter.report(expansion, path, message, "CV010", hint, on_key=True)
            raise UnknownValue
        return key

    def _evaluate_argument(self, expansion: Expansion, key: Key[Any], name: str, compiled: Compiled) -> Any:
        if compiled.__class__ is int or compiled.__class__ is bool:  # most arguments; this saves time
            return compiled
        path = expansion.entry.argument_path(name)
        value = self.resolver.evaluate(compiled, path, expansion)
        if isinstance(key, LayerName) and isinstance(value, str):
            return self._find_named_shape(expansion, name, value, path)
        return value

    def _find_named_shape(self, expansion: Expansion, key: str, name: str, path: Path) -> NamedShape:
        """Return the name and output shape of the layer that the argument `like` names.

        Raises Flaw if the layer has several outputs. Raises UnknownValue if there is no such layer or its shape is
        unknown.
        """
        outputs = self.resolver.find_place(expansion, name, path).outputs
        if len(outputs) != 1:
            message = f"{key} must refer to a single output; {show(name)} has {len(outputs)}"
            raise Flaw(message, key=key, code="CV015")
        if outputs[0].shape is None:
            raise UnknownValue
        return NamedShape(name, outputs[0].shape)

    def _has_required_arguments(self, expansion: Expansion, kind: type[Layer]) -> bool:
        """Return whether an entry such as `- $act: {…}` has all required arguments; report missing ones."""
        entry = expansion.entry
        absent = [name for name in list_required(kind.keys) if name not in entry.arguments]
        if absent:
            message = f"{entry.word} is {kind.kind} here; {kind.kind} needs {' and '.join(absent)}"
            self.reporter.report(expansion, entry.word_path, message, "CV012", on_key=True)
        return not absent

    def _check_number_of_inputs(self, expansion: Expansion, kind: type[Layer], inputs: int) -> None:
        """Raise UnknownValue after reporting a wrong number of inputs: a merge needs two, and any other layer one.

        A learnt tensor has none, and a layer of the kind opaque, for example, can have any number.
        """
        if inputs == 0 if kind.reads_nothing else kind.reads_any or kind.reads_many == (inputs > 1):
            return
        due = "no input" if kind.reads_nothing else "at least two inputs" if kind.reads_many else "one input"
        hint = "merge them first with add, multiply or concat"
        if kind.reads_nothing:
            hint = f"write {kind.kind}, not a parameter of the spec with this value"
        elif kind.reads_many:
            hint = "name the inputs, such as from: [previous, input]"
        message = f"{kind.kind} needs {due}; got {inputs}"
        self.reporter.report(expansion, expansion.entry.word_path, message, "CV016", hint, on_key=True)
        raise UnknownValue

    # -- reports

    def _report_wrong_argument(self, expansion: Expansion, name: str, compiled: Compiled, flaw: Flaw) -> None:
        """Report a wrong value of an argument; if the value comes from an expression, the hint shows the expression."""
        item = compiled
        for step in flaw.where:
            items = item.items if isinstance(item, Computed) else item
            item = items[int(step)] if isinstance(items, list) else item
        hint = self.resolver.suggest_expression(item, expansion) or flaw.hint
        if isinstance(item, Template) and not hint.startswith("write $"):
            hint = f"the value comes from {shorten(item.text)}"
        path = (*expansion.entry.argument_path(name), *flaw.where)
        self.reporter.report(expansion, path, flaw.message, flaw.code, hint)

    def _report_impossible_layer(self, expansion: Expansion, flaw: Flaw) -> None:
        entry = expansion.entry
        if flaw.key is not None and flaw.key in entry.arguments:
            path: Path = (*entry.argument_path(flaw.key), *flaw.where)
            self.reporter.report(expansion, path, flaw.message, flaw.code, flaw.hint)
        else:
            self.reporter.report(expansion, entry.word_path, flaw.message, flaw.code, flaw.hint, on_key=True)
