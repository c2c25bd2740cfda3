"""Whether a spec can hold what an importer found: the one check that all imported networks go through."""

from collections.abc import Iterator, Mapping

from convcalc.convert.graph import Graph, NotImported, collect_values, plain_spec
from convcalc.keys import MOST_DIGITS
from convcalc.problems import Flaw, InvalidSpec, Problem, printable
from convcalc.shape import Shape
from convcalc.spec.document import Document
from convcalc.spec.making import written_layer
from convcalc.spec.reader import read_network

_MOST_ROUNDS = 10  # a layer that is refused may hide that a later one is


def loadable(graph: Graph) -> Graph:
    """The graph with each layer that a spec refuses as an opaque one of the same shape and params, and a note.

    Raises NotImported with the reason if the spec is refused for anything else.
    """
    for _ in range(_MOST_ROUNDS):
        problems = _find_problems(graph)
        if not problems:
            return graph
        found = {problem.path[1]: problem for problem in reversed(problems) if problem.path[:1] == ("layers",)}
        if not found:
            break
        graph = _make_opaque(graph, {graph.steps[int(place)].name: problem.message for place, problem in found.items()})
    raise NotImported(f"it cannot be written as a valid spec: {problems[0].message}")


def _find_problems(graph: Graph) -> tuple[Problem, ...]:
    """What is wrong with the spec of a graph."""
    if long := tuple(_find_long_numbers(graph)):
        return long
    try:
        read_network(Document(plain_spec(graph)))
    except InvalidSpec as error:
        return error.problems
    return ()


def _find_long_numbers(graph: Graph) -> Iterator[Problem]:
    """A problem for each argument with more digits than the text of a spec may have, or none that are finite."""
    for place, step in enumerate(graph.steps):
        for name, value in step.arguments.items():
            numbers = [number for number in collect_values(value) if isinstance(number, int | float)]
            if not all(abs(number) < 10**MOST_DIGITS for number in numbers):
                yield Problem(("layers", place, step.kind, name), f"{name} has more than {MOST_DIGITS} digits", "CV004")


def _make_opaque(graph: Graph, reasons: Mapping[str, str]) -> Graph:
    """The graph with opaque layers in place of some, and of those that share their weights, each with its reason."""
    shapes = {name: Shape(sizes[0], tuple(sizes[1:])) for name, sizes in graph.inputs.items()}
    why, steps, notes = dict(reasons), [], list(graph.notes)
    for step in graph.steps:
        if step.share in why:
            why.setdefault(step.name, f"it shares the weights of {step.share}")
        layer_inputs = tuple(shapes[name] for name in step.reads)
        try:
            layer = written_layer(step.kind, step.arguments, layer_inputs)
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
