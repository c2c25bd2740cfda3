"""Checks that an imported network makes a valid spec. Every importer ends with `make_loadable`."""

from collections.abc import Iterator, Mapping

from convcalc.arguments import MOST_DIGITS
from convcalc.convert.graph import Graph, NotImported, collect_values, plain_spec
from convcalc.layers.make import make_written_layer
from convcalc.problems import Flaw, InvalidSpec, Problem, printable
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network

_MOST_ROUNDS = 10  # one rejected layer may hide another


def make_loadable(graph: Graph) -> Graph:
    """Return the graph, with an opaque layer in place of each layer that is not valid in a spec.

    The opaque layer has the same output shape and params, and a note says why the layer is not valid. Raises
    NotImported if the spec is invalid for a reason that concerns no layer, or is still invalid after _MOST_ROUNDS
    replacements.
    """
    for _ in range(_MOST_ROUNDS):
        problems = _find_problems(graph)
        if not problems:
            return graph
        found = {problem.path[1]: problem for problem in reversed(problems) if problem.path[:1] == ("layers",)}
        if not found:
            break
        graph = _make_layers_opaque(
            graph, {graph.steps[int(place)].name: problem.message for place, problem in found.items()}
        )
    raise NotImported(f"it cannot be written as a valid spec: {problems[0].message}")


def _find_problems(graph: Graph) -> tuple[Problem, ...]:
    if long := tuple(_find_long_numbers(graph)):
        return long
    try:
        read_network(Document(plain_spec(graph)))
    except InvalidSpec as error:
        return error.problems
    return ()


def _find_long_numbers(graph: Graph) -> Iterator[Problem]:
    """Yield a problem for each argument that is infinite or has more digits than a spec allows."""
    for place, step in enumerate(graph.steps):
        for name, value in step.arguments.items():
            numbers = [number for number in collect_values(value) if isinstance(number, int | float)]
            if not all(abs(number) < 10**MOST_DIGITS for number in numbers):
                yield Problem(("layers", place, step.kind, name), f"{name} has more than {MOST_DIGITS} digits", "CV004")


def _make_layers_opaque(graph: Graph, reasons: Mapping[str, str]) -> Graph:
    """Replace each layer whose name is a key of `reasons` by an opaque layer.

    Layers that share the weights of such a layer become opaque too.
    """
    shapes = {name: Shape(sizes[0], tuple(sizes[1:])) for name, sizes in graph.inputs.items()}
    why, steps, notes = dict(reasons), [], list(graph.notes)
    for step in graph.steps:
        if step.share in why:
            why.setdefault(step.name, f"it shares the weights of {step.share}")
        layer_inputs = tuple(shapes[name] for name in step.reads)
        try:
            layer = make_written_layer(step.kind, step.arguments, layer_inputs)
        except (Flaw, ArithmeticError, LookupError, TypeError, ValueError):
            reason = why.get(step.name, "it is not valid")
            raise NotImported(f"{printable(step.name)} ({step.kind}) cannot be written: {reason}") from None
        shapes[step.name] = layer.output
        if step.name in why:
            learnt = 0 if step.share else sum(layer.weight_tensors()) + sum(layer.bias_tensors())
            arguments = {"output_shape": list(layer.output.sizes), "params": learnt, "what": step.kind}
            reads = tuple(dict.fromkeys(step.reads))
            notes.append(f"{step.name} ({step.kind}): {why[step.name]}")
            step = step._replace(kind="opaque", arguments=arguments, reads=reads, share=None)
        steps.append(step)
    return graph._replace(steps=tuple(steps), notes=tuple(notes))
