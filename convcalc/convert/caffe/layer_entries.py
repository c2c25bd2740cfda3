"""Lists the layers of a Caffe network that are used for inference, the phase TEST.

`layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" }` becomes a LayerEntry. The older syntax `layers`
has the same fields, with types such as POOLING.
"""

from itertools import zip_longest
from typing import NamedTuple

from convcalc.convert.caffe.fields import Fields, read_number
from convcalc.convert.caffe.text_format import Field, Message, Scalar, parse_message
from convcalc.convert.graph import NotImported
from convcalc.convert.text_files import Mistake
from convcalc.network import MOST_LAYERS

_NET_FIELDS = (
    "name input input_shape input_dim force_backward state debug_info layer layers profile_info profile_iter "
    "profile_warmup default_forward_type default_backward_type default_forward_math default_backward_math"
)
_LAYER_FIELDS = (
    "name type bottom top phase loss_weight param blobs propagate_down include exclude blobs_lr weight_decay "
    "blob_share_mode"
)
_RULE_FIELDS = "phase min_level max_level stage not_stage"


class WeightOptions(NamedTuple):
    """The options of a weight: the name under which layers share it, empty if none do, and its learning rate."""

    shared_name: str = ""
    rate: float = 1.0


class LayerEntry:
    """A layer of the file. `type` is written as in the file; `old` is true in the older syntax.

    `bottoms` and `tops` are the names of the blobs that the layer reads and produces.
    """

    def __init__(self, field: Field) -> None:
        """Read a layer. Raises Mistake if it has no type, or a field that does not exist."""
        if not isinstance(field.value, Message):
            raise Mistake(f"{field.name} must be a message: {field.name} {{ … }}", field.value.extent)
        fields = Fields(field.value, "layer", field.extent)
        self.old = field.name == "layers"
        if self.old and fields.has("layer"):
            hint = "convert it with Caffe's tool upgrade_net_proto_text"
            raise Mistake("the syntax of Caffe before 2014 is not supported", fields.find("layer"), hint, "CV003")
        types = fields.list_scalars("type")
        if not types:
            raise Mistake("the layer has no type", field.extent, code="CV012")
        messages = {other.name for other in field.value.fields if other.name.endswith("_param")}
        fields.check_names({*_LAYER_FIELDS.split(), *messages})
        self.type = types[-1].text
        self.extent = types[-1].extent
        self.name = next(reversed(fields.list_texts("name")), "")
        self.fields = Fields(field.value, "layer", self.extent)
        self.bottoms = fields.list_scalars("bottom")
        self.tops = fields.list_scalars("top")

    def list_new_tops(self) -> list[str]:
        """Return the tops that the layer does not write over a bottom."""
        bottoms = {scalar.text for scalar in self.bottoms}
        return [scalar.text for scalar in self.tops if scalar.text not in bottoms]

    def read_param(self, name: str) -> Fields:
        """Return the fields of a message such as `pooling_param`; a missing field is reported at the layer's type."""
        found = self.fields.read_fields(name)
        return Fields(found.message, name, self.extent)

    def list_weight_options(self) -> list[WeightOptions]:
        """Return the options of the layer's weights, in their order; later weights have the default options."""
        messages = [Fields(message, "param", self.extent) for message in self._list_param_messages()]
        if messages:
            return [
                WeightOptions(next(reversed(fields.list_texts("name")), ""), fields.read_number("lr_mult", 1.0))
                for fields in messages
            ]
        names = self.fields.list_texts("param")
        rates = [read_number("blobs_lr", scalar) for scalar in self.fields.list_scalars("blobs_lr")]
        return [WeightOptions(name or "", 1.0 if rate is None else rate) for name, rate in zip_longest(names, rates)]

    def _list_param_messages(self) -> list[Message]:
        """Return the fields `param` of the newer syntax; in the older one, they are texts."""
        return [] if self.old else self.fields.list_messages("param")


class NetFile(NamedTuple):
    """The fields of a network and its layers in order: those for inference, and those for training only.

    A layer with a mistake is replaced by its Mistake.
    """

    fields: Fields
    entries: list[LayerEntry | Mistake]
    for_training: list[LayerEntry]


def read_net(text: str) -> NetFile:
    """Return the layers of a network.

    Raises Mistake if the text is malformed, and NotImported if there are too many layers.
    """
    net = Fields(parse_message(text), "the network", (0, 1))
    if net.has("base_lr"):
        where = net.find("net")
        raise Mistake("this is a solver, not a network", where, "its network is in the file that `net` names", "CV010")
    net.check_names(_NET_FIELDS.split())
    fields = [field for field in net.message.fields if field.name in ("layer", "layers")]
    if len(fields) > MOST_LAYERS:
        raise NotImported(f"more than {MOST_LAYERS:,} layers")
    found = NetFile(net, [], [])
    for field in fields:
        try:
            entry = LayerEntry(field)
            if _is_included(entry):
                found.entries.append(entry)
            else:
                found.for_training.append(entry)
        except Mistake as mistake:
            found.entries.append(mistake)
    return found


def _is_included(entry: LayerEntry) -> bool:
    """Whether a layer is used in the phase TEST at level 0 without stages. Source: Net::FilterNet in net.cpp."""
    included = [_matches(entry, rule) for rule in entry.fields.list_messages("include")]
    excluded = [_matches(entry, rule) for rule in entry.fields.list_messages("exclude")]
    return any(included) if included else not any(excluded)


def _matches(entry: LayerEntry, message: Message) -> bool:
    rule = Fields(message, "the rule", entry.extent)
    rule.check_names(_RULE_FIELDS.split())
    return (
        (not rule.has("phase") or rule.choose("phase", ("TRAIN", "TEST")) == "TEST")
        and rule.read_integer("min_level", 0, least=-(10**9)) <= 0
        and rule.read_integer("max_level", 0, least=-(10**9)) >= 0
        and not rule.has("stage")
    )


def list_inputs(net: Fields) -> list[tuple[Scalar, tuple[int, ...] | None]]:
    """Return the inputs that a network declares outside of its layers, and their shapes; None if there is no shape.

    Raises Mistake if a size is not a positive integer.
    """
    names = net.list_scalars("input")
    shapes = [read_shape(shape, net) for shape in net.list_messages("input_shape")]
    if not shapes:
        dims = net.list_integers("input_dim", least=1)
        if dims and len(dims) != 4 * len(names):
            message = f"input_dim needs 4 values per input, {4 * len(names)} in total; got {len(dims)}"
            raise Mistake(message, net.find("input_dim"))
        shapes = [tuple(dims[4 * place : 4 * place + 4]) for place in range(len(dims) // 4)]
    if names and shapes and len(names) != len(shapes):
        message = f"there must be one input_shape per input, {len(names)} in total; got {len(shapes)}"
        raise Mistake(message, net.find("input_shape"))
    return list(zip_longest(names, shapes))


def read_shape(message: Message, outer: Fields) -> tuple[int, ...]:
    """Return the sizes in a BlobShape. Raises Mistake if one is not a positive integer, or if there are none."""
    shape = Fields(message, "shape", message.extent)
    shape.check_names(["dim"])
    dims = tuple(shape.list_integers("dim", least=1))
    if not dims:
        raise Mistake("the shape has no sizes: write dim: 1 dim: 3 …", message.extent, code="CV012")
    return dims
