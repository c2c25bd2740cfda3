"""PyTorch modules imported as networks: written by hand, exported by convcalc, and brought by users."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.from_torch import read_factory, read_module
from convcalc.convert.graph import Graph, NotImported, plain_spec
from convcalc.convert.to_torch import module_text
from tests.convert.test_to_torch import NAMES, example, made
from tests.support.places import EXAMPLES
from tests.support.torch_networks import random_spec, specs

PICTURE = (3, 32, 32)
# kinds that mean the same: a person may write either
SAME = {"pointwise_conv": "conv", "depthwise_conv": "conv", "adaptive_avgpool": "global_avgpool", "slice": "crop"}
NO_ARITHMETIC = ("dropout", "drop_path", "identity", "flatten", "reshape", "pad")


def modules() -> Any:
    from tests.support import torch_modules

    return torch_modules


def by_hand(name: str) -> tuple[Any, Any]:
    """The network of an example as written by hand in PyTorch, and the shape of its input or inputs."""
    import torch

    from tests.oracle import (
        reference_dense,
        reference_hybrids,
        reference_models,
        reference_spaces,
        reference_tiny,
        reference_zoo,
    )

    builders: dict[str, Callable[[], Any]] = {
        **reference_models.NETWORKS,
        **reference_zoo.MODELS,
        **reference_dense.MODELS,
        **reference_hybrids.MODELS,
        **reference_tiny.MODELS,
        **reference_spaces.MODELS,
    }
    with torch.device("meta"):
        module, shape = builders[name]()
    return module, shape


def imported(module: Any, shape: Any) -> convcalc.Report:
    return convcalc.analyse(convcalc.from_torch(module, shape))


# some operations of these networks are not recognised as the layers that they are in the example
READ_AS_OPERATIONS = {"coatnet_0", "ddpm_unet", "segformer_b0"}
# PyTorch adds two tensors at a time, so that a sum of many becomes several layers
LONG_SUMS = {"tcn": ("add",), "wavenet": ("add",)}
IN_MODULES = {"fbnet": ("identity",)}  # kinds that only exported modules have: nn.Identity for an empty block


def layers(report: convcalc.Report, leaving_out: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """Each layer's kind, shape and costs."""
    return [
        (SAME.get(layer.kind, layer.kind), layer.output_shape, layer.params, layer.buffers, layer.macs, layer.additions)
        for layer in report.layers
        if layer.kind not in leaving_out
    ]


def totals(report: convcalc.Report) -> tuple[Any, ...]:
    total = report.totals
    shapes = sorted(shape.sizes for shape in report.outputs().values())
    return total.params, total.trainable_params, total.buffers, total.macs, total.flops, shapes


def operators(module: Any) -> list[str]:
    """The operators of a module that became opaque layers."""
    steps = read_module(module, PICTURE).steps
    return [step.arguments["what"] for step in steps if step.kind == "opaque"]


def kinds(graph: Graph) -> list[str]:
    return [step.kind for step in graph.steps]


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(READ_AS_OPERATIONS))
def test_layers_that_are_imported_as_operations_have_the_same_macs(name: str) -> None:
    network = example(name)
    shapes = [shape.sizes for shape in network.inputs.values()]
    exported = read_module(made(module_text(network)), shapes)
    ours = convcalc.analyse(network).totals
    for report in (imported(*by_hand(name)), convcalc.analyse(loaded(plain_spec(exported), network))):
        found = report.totals
        assert (found.params, found.buffers, found.macs) == (ours.params, ours.buffers, ours.macs)


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted({*NAMES} - READ_AS_OPERATIONS - {"convnext_v2_tiny"}))  # flattens earlier
def test_a_network_written_by_hand_has_the_layers_of_the_example(name: str) -> None:
    """They may differ in the order of branches, and in layers that cost nothing and exist in only one of them."""
    found, ours = imported(*by_hand(name)), convcalc.analyse(example(name))
    assert totals(found) == totals(ours)
    leaving_out = (*NO_ARITHMETIC, *LONG_SUMS.get(name, ()))
    assert sorted(layers(found, leaving_out)) == sorted(layers(ours, leaving_out))


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted({*NAMES} - READ_AS_OPERATIONS))
def test_an_exported_module_round_trips(name: str) -> None:
    network = example(name)
    graph = read_module(made(module_text(network)), [shape.sizes for shape in network.inputs.values()])
    assert graph.notes == ()
    for spec in (plain_spec(graph), spec_text(graph)):
        found = convcalc.analyse(loaded(spec, network))
        ours = convcalc.analyse(network)
        leaving_out = (*LONG_SUMS.get(name, ()), *IN_MODULES.get(name, ()))
        assert layers(found, leaving_out) == layers(ours, leaving_out)
        assert totals(found) == totals(ours)
        assert found.totals.peak_memory == ours.totals.peak_memory
        assert found.totals.receptive_field == ours.totals.receptive_field


def loaded(spec: Any, network: convcalc.Network) -> convcalc.Network:
    """A spec as values or text, with the data types of a network."""
    from io import StringIO

    return convcalc.load(StringIO(spec) if isinstance(spec, str) else spec, dtype=network.dtype._asdict())


@pytest.mark.torch
@pytest.mark.parametrize("name", specs())
def test_shared_and_frozen_weights_are_imported(name: str) -> None:
    network = convcalc.load(specs()[name])
    found = imported(made(module_text(network)), {key: shape.sizes for key, shape in network.inputs.items()})
    assert len(network.inputs) == 1 or list(found.network.inputs) == list(network.inputs)
    assert totals(found) == totals(convcalc.analyse(network))


@pytest.mark.torch
@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_any_exported_module_is_imported_with_the_same_figures(source: Random) -> None:
    network = convcalc.load(random_spec(source.randrange))
    read = {*network.outputs.values(), *(tensor for node in network.nodes for tensor in node.reads)}
    unread = set(range(len(network.inputs), len(network.inputs) + len(network.nodes))) - read
    assume(not unread)  # the importer leaves out a sum or product that nothing reads
    assert totals(imported(made(module_text(network)), (4, 3, 3))) == totals(convcalc.analyse(network))


@pytest.mark.torch
def test_names_are_the_paths_of_modules() -> None:
    block = [{"conv": {"out_channels": 3, "kernel_size": 1}}, "relu", {"add": {"from": ["previous", "input"]}}]
    spec = {"input": [3, 8, 8], "blocks": {"unit": {"layers": block}}, "layers": [{"unit": {"repeat": 2}}]}
    graph = read_module(made(module_text(convcalc.load(spec))), (3, 8, 8))
    assert [step.name for step in graph.steps] == [
        f"unit1.{copy}.{layer}" for copy in (0, 1) for layer in ("conv1", "relu1", "add1")
    ]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "shape", "opaque", "noted"),
    [
        ("Recurrent", (1, 20), {"lstm_2": 0}, ["lstm_2"]),
        ("Projecting", (20, 8), {"lstm": 960, "lstm_2": 0, "lstm_3": 0}, ["lstm"]),
        ("Einsum", PICTURE, {"opaque1": 64}, ["opaque1"]),
        ("HalfTied", (8,), {"second": 8}, ["second"]),
    ],
)
def test_unsupported_operations_are_opaque_with_their_params_macs_and_a_note(
    name: str, shape: tuple[int, ...], opaque: dict[str, int], noted: list[str]
) -> None:
    module = getattr(modules(), name)()
    graph = read_module(module, shape)
    found = {step.name: step.arguments["params"] for step in graph.steps if step.kind == "opaque"}
    assert found == opaque
    assert [note.partition(":")[0] for note in graph.notes] == noted
    report = imported(module, shape)
    assert report.totals.params == sum(parameter.numel() for parameter in module.parameters())
    assert report.totals.macs == counted_macs(module, shape)
    assert report.uncounted == ()


def counted_macs(module: Any, *shapes: tuple[int, ...]) -> int:
    """The MACs of one sample by PyTorch's flop counter."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta").eval()(*(torch.empty(1, *shape, device="meta") for shape in shapes))
    return int(counter.get_total_flops()) // 2


@pytest.mark.torch
def test_a_transformer_is_imported_with_its_attention() -> None:
    """The positions become tokens, which PyTorch has before the channels."""
    graph = read_module(modules().Attending(), PICTURE)
    assert kinds(graph) == [
        "conv", "tokens", "layernorm", "attention", "add", "layernorm", "linear", "gelu", "linear", "add",
        "global_avgpool", "linear",
    ]  # fmt: skip
    assert graph.steps[5].share == "norm"
    assert graph.notes == ()


@pytest.mark.torch
def test_control_flow_that_depends_on_values_is_refused_with_a_message() -> None:
    with pytest.raises(NotImported, match="depends on the values of a tensor"):
        read_module(modules().ByValue(), PICTURE)


@pytest.mark.torch
@pytest.mark.parametrize(("name", "shape"), [("Frozen", (4, 32, 32)), ("Pair", PICTURE)])
def test_what_cannot_be_traced_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(NotImported, match="cannot be traced"):
        read_module(getattr(modules(), name)(), shape)


@pytest.mark.torch
def test_a_module_that_returns_no_tensor_is_refused() -> None:
    with pytest.raises(NotImported, match="no output depends on an input"):
        read_module(modules().Odd(), PICTURE)


@pytest.mark.torch
def test_a_module_may_return_an_object_of_a_dataclass() -> None:
    graph = read_module(modules().WithDataclass(), PICTURE)
    assert [(step.name, step.kind) for step in graph.steps] == [
        ("stem.0", "conv"), ("stem.1", "identity"), ("head.0", "global_avgpool"), ("head.1", "flatten"),
        ("head.2", "linear"),
    ]  # fmt: skip
    assert graph.outputs == ("head.2", "stem.1")


@pytest.mark.torch
def test_several_inputs_have_names_and_share_an_encoder() -> None:
    report = imported(modules().Pair(), [PICTURE, PICTURE])
    assert list(report.network.inputs) == ["left", "right"]
    assert report.totals.params == 224 + 68
    assert [layer.shares for layer in report.layers if layer.kind == "conv"] == [None, "encoder", None]
    assert sorted(shape.sizes for shape in report.outputs().values()) == [(3, 32, 32), (4, 30, 30)]


@pytest.mark.torch
def test_weights_without_gradients_are_frozen() -> None:
    module = modules().Frozen()
    report = imported(module, PICTURE)
    assert report.totals.trainable_params == sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert [layer.frozen for layer in report.layers] == [True, True, False]


@pytest.mark.torch
def test_tensors_changed_in_place_are_read_with_their_values_at_that_time() -> None:
    graph = read_module(modules().InPlace(), PICTURE)
    assert [(step.kind, step.reads) for step in graph.steps] == [
        ("conv", ("x",)), ("relu", ("first",)), ("conv", ("relu1",)), ("add", ("second", "relu1")),
    ]  # fmt: skip


@pytest.mark.torch
def test_decomposed_activations_are_recognised() -> None:
    graph = read_module(modules().Composed(), PICTURE)
    assert sorted(set(kinds(graph))) == ["hardsigmoid", "hardswish", "mish", "silu"]
    assert kinds(graph).count("hardswish") == 2


@pytest.mark.torch
def test_views_that_form_a_shuffle_are_recognised() -> None:
    graph = read_module(modules().Rearranging(), (8, 8, 8))
    assert graph.notes == ()
    assert sorted(kinds(graph)) == [
        "add", "channel_shuffle", "crop", "crop", "pixel_shuffle", "pixel_unshuffle", "relu", "slice", "slice",
        "upsample",
    ]  # fmt: skip


@pytest.mark.torch
def test_modules_with_no_or_several_operations_become_layers() -> None:
    graph = read_module(modules().LeavingNoTrace(), (8, 8, 8))
    assert kinds(graph) == ["identity", "dropout", "local_response_norm", "softsign", "lppool", "mish"]
    assert [step.name for step in graph.steps] == [f"body.{number}" for number in range(6)]


@pytest.mark.torch
def test_the_module_is_not_changed() -> None:
    module = modules().LeavingNoTrace()
    before = repr(module)
    read_module(module.train(), (8, 8, 8))
    assert repr(module) == before
    assert module.training
    assert all(parameter.device.type == "cpu" for parameter in modules().Frozen().parameters())


@pytest.mark.torch
def test_a_factory_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    modules()
    graph = read_factory("tests.support.torch_modules:InPlace", PICTURE)
    assert (graph.name, graph.origin) == ("InPlace", "the PyTorch module tests.support.torch_modules:InPlace")


@pytest.mark.torch
@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("tests.support.torch_modules", "must be package.module:factory"),
        ("tests.support.torch_modules:nothing", "has no attribute 'nothing'"),
        ("tests.nowhere:nothing", "No module named 'tests.nowhere'"),
        ("tests.support.torch_modules:failing", "ValueError: no weights here"),
        ("tests.support.torch_modules:number", "'int' object is not callable"),
        ("tests.support.torch_modules:NotATensor", "must return a torch.nn.Module"),
    ],
)
def test_a_factory_that_returns_no_module_is_an_error(factory: str, said: str) -> None:
    modules()
    with pytest.raises(NotImported, match=said):
        read_factory(factory, PICTURE)


def test_all_examples_are_covered() -> None:
    assert len(NAMES) == len(list(EXAMPLES.glob("*.yaml"))) >= 34


@pytest.mark.torch
@pytest.mark.parametrize(("name", "kind"), [("mobilenet_v1", "pointwise_conv"), ("googlenet", "conv")])
def test_convolutions_of_1_by_1_are_pointwise_next_to_depthwise_ones(name: str, kind: str) -> None:
    found = read_module(*by_hand(name)).steps
    ones = {step.kind for step in found if step.kind == "pointwise_conv" or step.arguments.get("kernel_size") == 1}
    assert ones == {kind}


@pytest.mark.torch
def test_writing_into_a_part_of_a_tensor_is_not_lost() -> None:
    report = imported(modules().InParts(), PICTURE)
    assert report.totals.params == 2 * 112 + 144
    assert report.layers[-1].macs == 8 * 16 * 30 * 30
    assert report.totals.macs == 8 * 16 * 30 * 30 + 2 * 4 * 27 * 30 * 30
    assert operators(modules().InParts()) == ["aten.slice_scatter"] * 2


@pytest.mark.torch
def test_an_overwritten_view_that_nothing_else_reads_is_the_whole_tensor() -> None:
    report = imported(modules().OverAView(), PICTURE)
    assert report.totals.macs == 27 * 8 * 30 * 30 + 7200 * 3
    assert [layer.kind for layer in report.layers if layer.kind == "opaque"] == []


@pytest.mark.torch
def test_a_class_of_another_package_is_not_recognised_by_its_name() -> None:
    report = imported(modules().NamedLikeAnother(), PICTURE)
    assert [layer.kind for layer in report.layers] == ["conv", "batchnorm"]
    assert report.totals.params == 27 * 8 + 8 + 16


@pytest.mark.torch
def test_a_product_with_a_transposed_matrix_is_not_an_error() -> None:
    report = imported(modules().TurnedOver(), (6,))
    assert report.layers[0].macs == 30
    assert report.totals.macs == 30 + 2 * 5 * 5


@pytest.mark.torch
def test_shapes_by_name_belong_to_the_parameters_of_that_name() -> None:
    network = convcalc.from_torch(modules().LeftAndRight(), {"right": (3, 20, 20), "left": (3, 8, 8)})
    assert {name: shape.sizes for name, shape in network.inputs.items()} == {"left": (3, 8, 8), "right": (3, 20, 20)}
    assert network.nodes[0].layer.input.sizes == (3, 8, 8)


@pytest.mark.torch
def test_an_input_may_have_the_name_of_a_layer() -> None:
    network = convcalc.from_torch(modules().LeftAndRight(), {"two": (3, 8, 8), "one": (3, 20, 20)})
    assert {name: shape.sizes for name, shape in network.inputs.items()} == {"two": (3, 8, 8), "one": (3, 20, 20)}
    assert [node.layer.input.sizes for node in network.nodes[:2]] == [(3, 8, 8), (3, 20, 20)]


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(-3, 8, 8), (0, 8, 8), (3, 2.5), [(3, 8, 8), 5]])
def test_an_invalid_shape_is_refused_with_a_message(shape: Any) -> None:
    with pytest.raises(NotImported, match="a shape must be a list of positive integers"):
        convcalc.from_torch(modules().LeftAndRight(), shape)


@pytest.mark.torch
def test_a_factor_expanded_for_a_product_is_imported_as_broadcasting() -> None:
    report = imported(modules().Squeezing(), PICTURE)
    assert report.totals.macs == 27 * 16 * 30 * 30 + 16 * 4 * 2
    last = report.layers[-1]
    assert (last.kind, last.output_shape.sizes, last.multiplications) == ("multiply", (16, 30, 30), 16 * 30 * 30)


@pytest.mark.torch
def test_a_sum_of_expanded_tensors_has_the_expanded_size() -> None:
    report = imported(modules().TwiceExpanded(), PICTURE)
    assert report.layers[-1].output_shape.sizes == PICTURE
    assert (report.layers[-1].kind, report.totals.macs) == ("add", 0)
    assert operators(modules().TwiceExpanded()) == ["Expand"]


@pytest.mark.torch
def test_params_that_forward_does_not_use_are_omitted_and_reported() -> None:
    graph = read_module(modules().WithHead(), PICTURE)
    assert [step.kind for step in graph.steps] == ["conv"]
    assert graph.origin.endswith(f" without the {8 * 10 + 10} params that its forward does not use")


@pytest.mark.torch
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_the_data_type_of_the_parameters_is_imported(name: str) -> None:
    import torch
    from torch import nn

    dtype = getattr(torch, name)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 5))
    network = convcalc.from_torch(module.to(dtype), (3, 8, 8))
    totals = convcalc.analyse(network).totals
    tensors = [*module.parameters(), *(buffer for buffer in module.buffers() if buffer.is_floating_point())]
    assert totals.weight_memory == sum(tensor.nbytes for tensor in tensors)
    assert (network.dtype.weights, network.dtype.activations) == (name, name)
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.torch
def test_params_that_a_function_reads_are_not_said_to_be_unused() -> None:
    """A lambda that the module holds reads the weights of the module, of which the trace has a copy: 3·8·9 + 8."""
    module = modules().WithFunction()
    report = imported(module, PICTURE)
    assert report.totals.params == 224
    assert not report.complete
    assert "does not use" not in read_module(module, PICTURE).origin


@pytest.mark.torch
def test_numbers_and_learnt_values_per_channel_are_scales_and_shifts() -> None:
    graph = read_module(modules().ScaledAndShifted(), (4, 8, 8))
    assert [(step.kind, dict(step.arguments)) for step in graph.steps] == [
        ("scale", {"factor": 2.0}),
        ("scale", {"factor": 0.25}),
        ("shift", {"amount": -1.0}),
        ("shift", {}),
        ("scale", {"factor": 0.5}),
        ("shift", {"amount": 3.0}),
    ]


@pytest.mark.torch
def test_a_tensor_subtracted_from_a_number_is_opaque() -> None:
    assert kinds(read_module(modules().Complement(), (4, 8, 8)))[-1] == "opaque"
