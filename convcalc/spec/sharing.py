"""Finds the layer or block whose weights an entry reuses (option `share`), and checks that the two can share weights.

For example, `conv: {…, share: conv1}` is allowed only if its arguments and input channels equal those of conv1.
"""

from typing import NoReturn

from convcalc.layers.base import Layer
from convcalc.network import Node
from convcalc.problems import show
from convcalc.spec.entries import LISTS
from convcalc.spec.problem_list import ExpansionReporter
from convcalc.spec.resolve import Resolver
from convcalc.spec.scopes import UNKNOWN_TENSOR, Expansion, Place, Scope, UnknownValue, Use


class WeightSharing:
    """Finds the layers that share weights, and checks them; `nodes` are the layers that have been expanded so far."""

    def __init__(self, resolver: Resolver, reporter: ExpansionReporter, nodes: list[Node]) -> None:
        self.resolver = resolver
        self.reporter = reporter
        self.nodes = nodes

    def find_twin(self, expansion: Expansion, home: Scope, name: str) -> Place | None:
        """Return the twin of an entry: the earlier layer or block use whose weights it shares; None if it has its own.

        The twin is named by the option `share`. If instead the block around the entry shares weights with an earlier
        use, the twin is the layer of the same name in that use. The entry is called `name` in the scope `home`. Raises
        UnknownValue after reporting a mistake.
        """
        if "share" not in expansion.entry.options:
            return None if home.twin is None else (home.twin.children or {}).get(name)
        value = self.resolver.evaluate_option(expansion, "share")
        if not isinstance(value, str):
            message = f"share must be the name of a layer; got {show(value)}"
            self.reporter.report_option(expansion, "share", message)
            raise UnknownValue
        place = self.resolver.find_place(expansion, value, expansion.entry.option_path("share"))
        shareable = place.node is not None or place.use is not None
        if expansion.entry.word in LISTS or not (shareable or place.outputs == (UNKNOWN_TENSOR,)):
            self._refuse(expansion, "single layers or uses of a block")
        if not shareable:
            raise UnknownValue
        return place

    def find_owner(self, expansion: Expansion, layer: Layer, twin: Place) -> int:
        """Return the index of the node that has the weights that `layer` shares with `twin`.

        This is the node of `twin` or, if `twin` shares weights itself, the node it shares with. Raises UnknownValue
        after reporting that the layers differ.
        """
        if twin.outputs == (UNKNOWN_TENSOR,):
            raise UnknownValue
        if twin.node is None:
            self._refuse(expansion, "layers of the same kind")
        node = self.nodes[twin.node]
        other = node.layer
        same = other.kind == layer.kind and other.weight_arguments() == layer.weight_arguments()
        if not same or other.weight_input() != layer.weight_input():
            due = "with the same input channels" if same else "of the same kind and arguments"
            self._report_unequal_layers(expansion, layer, node, due)
            raise UnknownValue
        return twin.node if node.owner is None else node.owner

    def check_use(self, expansion: Expansion, use: Use, twin: Place) -> None:
        """Check that a use of a block can share the weights of `twin`, an earlier use.

        Raises UnknownValue after reporting that the two uses have different blocks, arguments or input channels.
        """
        if twin.use is None or not use.equals(twin.use):
            self._refuse(expansion, "uses of one block with equal arguments and input channels")

    def _refuse(self, expansion: Expansion, due: str) -> NoReturn:
        self.reporter.report_option(expansion, "share", f"weights can be shared only between {due}", code="CV015")
        raise UnknownValue

    def _report_unequal_layers(self, expansion: Expansion, layer: Layer, owner: Node, due: str) -> None:
        entry, other = expansion.entry, owner.layer
        message = (
            f"weights can be shared only between layers {due}: {owner.name} is {other.kind} {other.glance()} "
            f"on {other.input}, but this is {layer.kind} {layer.glance()} on {layer.input}"
        )
        path = entry.option_path("share") if "share" in entry.options else entry.word_path
        self.reporter.report(expansion, path, message, "CV015")
