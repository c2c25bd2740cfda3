"""How PyTorch modules are traced that need a certain batch, data type or device, and how `--torch` names a factory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.convert.from_torch import read_factory, read_module
from convcalc.convert.graph import Graph, NotImported, plain_spec
from convcalc.convert.pytorch.factories import Factory, parse_factory

PICTURE = (3, 8, 8)


def modules() -> Any:
    from tests.support import traced_modules

    return traced_modules


def trace(module: Any, *shapes: tuple[int, ...]) -> Any:
    from convcalc.convert.pytorch.inputs import ModuleInputs, choose_types, find_inputs
    from convcalc.convert.pytorch.tracing import trace_module

    found, inputs = find_inputs(module, ModuleInputs(shapes, (), choose_types(module, None, (), len(shapes))))
    return trace_module(found, inputs)


def total_macs(trace: Any) -> int:
    """The MACs of a trace per sample."""
    total = sum(trace.flops.values())
    assert total % (2 * trace.batch) == 0
    return int(total // (2 * trace.batch))


def report(graph: Graph) -> convcalc.Report:
    return convcalc.analyse(convcalc.load(plain_spec(graph)))


def figures(graph: Graph) -> tuple[int | None, int | None]:
    totals = report(graph).totals
    return totals.params, totals.macs


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "batch", "macs"),
    [
        ("Tiny", 11, 3888),
        ("ForEightFrames", 8, 3888),
        ("ForOneImage", 1, 3888 + 144 * 5),
        ("ForAPair", 2, 3888 // 2),  # of two samples, one map is made
    ],
)
def test_the_batch_is_one_with_which_the_module_runs(name: str, batch: int, macs: int) -> None:
    found = trace(getattr(modules(), name)(), PICTURE)
    assert (found.batch, total_macs(found)) == (batch, macs)


@pytest.mark.torch
def test_frames_that_are_folded_into_the_batch_all_count() -> None:
    found = trace(modules().FoldingFrames(), (5, *PICTURE))
    assert (found.batch, total_macs(found)) == (11, 5 * 3888)


@pytest.mark.torch
def test_a_map_without_channels_is_not_taken_as_a_batch_of_one() -> None:
    with pytest.raises(NotImported, match="cannot be traced"):
        read_module(modules().ForOneImageOrMaps(), (8, 8))


@pytest.mark.torch
@pytest.mark.parametrize("name", ["ReadingRates", "ListingRates", "InitialisedByNumpy"])
def test_a_module_that_reads_values_when_it_is_created_is_built_on_the_cpu(name: str) -> None:
    assert figures(read_factory(f"tests.support.traced_modules:{name}", PICTURE)) == (112, 3888)


@pytest.mark.torch
def test_a_difference_between_the_builds_is_reported() -> None:
    graph = read_factory("tests.support.traced_modules:DifferentOnMeta", PICTURE)
    assert report(graph).totals.params == 112
    assert graph.remarks == ("2 params differ if it is built on the meta device, the first of them conv.weight",)


@pytest.mark.torch
def test_a_module_that_creates_tensors_on_the_cpu_is_traced_there() -> None:
    graph = read_module(modules().WithNumpy(), PICTURE)
    assert report(graph).totals.params == 112
    assert report(graph).layers[-1].macs == 3888


@pytest.mark.torch
def test_a_list_that_the_forward_updates_is_followed() -> None:
    module = modules().UpdatingLists()
    assert figures(read_module(module, PICTURE)) == (224, 2 * 3888)
    assert module.seen == []


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(
    ("name", "params"),
    [("old weight_norm", 116), ("new weight_norm", 116), ("old spectral_norm", 112), ("new spectral_norm", 112)],
)
def test_a_reparametrised_convolution_is_traced(name: str, params: int) -> None:
    """The weight norm has a length for each of the 4 output channels."""
    import torch

    module = modules().NORMED[name]()
    module(torch.zeros(1, *PICTURE))  # afterwards, the weight is a computed tensor
    found = trace(module, PICTURE)
    assert (sum(found.elements.values()), total_macs(found)) == (params, 3888)
    assert report(read_module(module, PICTURE)).totals.params == params


@pytest.mark.torch
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_lazy_module_gets_its_shapes_from_the_input(device: str) -> None:
    import torch
    from torch.nn.parameter import is_lazy

    with torch.device(device):
        module = modules().Lazy()
    assert figures(read_module(module, PICTURE)) == (112 + 8 + 725, 3888 + 720)
    assert all(map(is_lazy, module.parameters()))


@pytest.mark.torch
def test_a_module_of_two_precisions_is_run_with_the_one_that_fits() -> None:
    graph = read_module(modules().HalfAndFloat(), PICTURE)
    assert figures(graph) == (112 + 64 * 37, 3888 + 4 * 9 * 64 * 16)
    assert "112 are float32" in graph.notes[0]


@pytest.mark.torch
def test_indices_need_their_data_type() -> None:
    with pytest.raises(NotImported, match=r"in embedding \(Embedding\).*--input-dtype int64"):
        read_module(modules().WithIndices(), (7,))
    for given in ("int64", ["int64"]):
        network = convcalc.from_torch(modules().WithIndices(), (7,), given)
        assert convcalc.analyse(network).totals.params == 40 + 25
    assert report(read_module(modules().WithIndices(), {"x": (7,)}, input_dtype={"x": "int32"})).totals.params == 65


@pytest.mark.torch
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("int65", "no data type 'int65' of inputs: did you mean int64"),
        ({"y": "int64"}, "a data type is given for 'y', but no shape"),
        (["int64", "int64"], "2 data types for 1 inputs"),
    ],
)
def test_a_wrong_data_type_is_refused(given: Any, said: str) -> None:
    with pytest.raises(NotImported, match=said):
        read_module(modules().WithIndices(), {"x": (7,)}, input_dtype=given)


@pytest.mark.torch
def test_an_input_may_be_one_number_per_sample() -> None:
    """It is a vector of one element in the network: the trace drops that axis."""
    found = trace(modules().WithTime(), PICTURE, ())
    inputs = [node.meta["val"].shape for node in found.nodes if node.op == "placeholder"][-2:]
    assert list(map(tuple, inputs)) == [(11, *PICTURE), (11, 1)]
    assert total_macs(found) == 3888 + 4
    graph = read_module(modules().WithTime(), {"x": PICTURE, "time": ()})
    assert dict(graph.inputs) == {"x": PICTURE, "time": (1,)}


@pytest.mark.torch
def test_one_number_for_all_samples_is_no_input_of_the_network() -> None:
    found = trace(modules().WithFactor(), PICTURE, ())
    assert total_macs(found) == 3888
    graph = read_module(modules().WithFactor(), {"x": PICTURE, "factor": ()})
    assert dict(graph.inputs) == {"x": PICTURE}
    assert "one for all samples" in graph.remarks[0]


@pytest.mark.torch
def test_values_that_do_not_change_the_operations_may_be_read() -> None:
    graph = read_module(modules().ReadingValues(), PICTURE)
    assert not [note for note in graph.notes if "unaccounted" in note]
    assert report(graph).totals.params == 112


@pytest.mark.torch
def test_inputs_are_passed_by_name() -> None:
    graph = read_module(modules().ByName(), {"y": PICTURE, "x": PICTURE})
    assert figures(graph) == (224, 2 * 3888)
    assert list(graph.inputs) == ["x", "y"]
    with pytest.raises(NotImported, match="its forward takes the inputs x, mask, y; got 1 shape"):
        read_module(modules().ByName(), {"x": PICTURE})


@pytest.mark.torch
def test_hooks_of_the_module_run() -> None:
    module = modules().Hooked()
    found = [node for node in trace(module, PICTURE).nodes if node.op == "call_function"]
    assert [node.target.__name__ for node in found] == ["conv2d.default", "add.Tensor", "conv2d.default"]


@pytest.mark.torch
def test_attributes_of_identities_and_drop_paths_can_be_read() -> None:
    graph = read_module(modules().ReadingAttributes(), PICTURE)
    steps = {step.kind: dict(step.arguments) for step in graph.steps}
    assert (steps["identity"], steps["drop_path"]) == ({}, {"p": 0.25})
    assert [step.kind for step in graph.steps].count("add") == 2
    assert report(graph).totals.params == 112


@pytest.mark.torch
def test_operations_under_autocast_are_read() -> None:
    assert figures(read_module(modules().UnderAutocast(), PICTURE)) == (112, 3888)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("name", "params"), [("scripted", 112 + 8), ("traced", 112)])
def test_a_torchscript_module_is_imported(name: str, params: int) -> None:
    module = getattr(modules(), name)()
    training = module.training
    assert figures(read_module(module, PICTURE)) == (params, 3888)
    assert module.training == training
    assert figures(read_factory(f"tests.support.traced_modules:{name}", PICTURE)) == (params, 3888)


@pytest.mark.torch
def test_if_nothing_can_be_traced_the_calls_of_the_modules_are_recorded() -> None:
    graph = read_module(modules().Checking(), PICTURE)
    assert [step.kind for step in graph.steps][:2] == ["conv", "relu"]
    assert report(graph).totals.params == 112 + 35


@pytest.mark.torch
def test_calls_with_an_operation_between_them_are_refused() -> None:
    with pytest.raises(
        NotImported, match=r"traced_modules.py:\d+: TypeError: a tensor, please.*before fc is not a module"
    ):
        read_module(modules().CheckingAndAdding(), PICTURE)


@pytest.mark.torch
def test_a_failure_names_the_inner_module_the_line_and_what_to_try() -> None:
    file = Path(modules().__file__)
    line = (
        file.read_text(encoding="utf-8").splitlines().index("        return self.body(x)  # the line of the misfit") + 1
    )
    with pytest.raises(NotImported) as caught:
        read_module(modules().Nested(), PICTURE)
    assert f"{file}:{line}: in body.1 (Conv2d): RuntimeError: " in str(caught.value)
    assert str(caught.value).endswith("; check the input shape: it is of one sample, channels first")


@pytest.mark.torch
def test_a_shape_with_the_batch_is_understood_and_reported() -> None:
    graph = read_module(modules().Sized(10), (1, *PICTURE))
    assert dict(graph.inputs) == {"x": PICTURE}
    assert graph.remarks == ("the first size of 1,3,8,8 is read as the batch; one sample is 3,8,8",)
    assert read_module(modules().Sized(10), PICTURE).remarks == ()


@pytest.mark.torch
def test_a_remark_is_written_to_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["import", "--torch", "tests.support.traced_modules:Sized(10)", "--input", "1,3,8,8", "-o", "net.yaml"]
    assert run(command) == 0
    assert capsys.readouterr().err.startswith("convcalc: the first size of 1,3,8,8 is read as the batch")
    assert run([*command, "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert [shape.sizes for shape in convcalc.load("net.yaml").inputs.values()] == [PICTURE]


@pytest.mark.torch
def test_data_types_are_options_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["import", "--torch", "tests.support.traced_modules:WithIndices", "-o", str(tmp_path / "net.yaml")]
    assert run([*command, "--input", "7", "--input-dtype", "int64"]) == 0
    assert run([*command, "--input", "x=7", "--input-dtype", "x=int64"]) == 0
    assert run([*command, "--input", "7", "--input-dtype", "x=int64", "--input-dtype", "int64"]) == 2
    assert "each needs a name" in capsys.readouterr().err


@pytest.mark.torch
def test_a_spec_is_compared_with_a_module_that_needs_arguments_and_data_types(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    opaque = "{output_shape: [5], params: 65, macs: 20, from: x}"
    file.write_text(f"inputs: {{x: [7]}}\nlayers: [{{opaque: {opaque}}}]\n", encoding="utf-8")
    command = ["verify", str(file), "--torch", "tests.support.traced_modules:WithIndices"]
    assert run([*command, "--input-dtype", "x=int64"]) == 0
    assert run([*command, "--input-dtype", "y=int64"]) == 2
    assert run(["verify", str(file), "--input-dtype", "int64"]) == 2
    conv = "{conv: {out_channels: 4, kernel_size: 3}}"
    file.write_text(
        f"input: [3, 8, 8]\nlayers: [{conv}, relu, global_avgpool, flatten, linear: 10]\n", encoding="utf-8"
    )
    assert run(["verify", str(file), "--torch", "tests.support.traced_modules:Sized(10)"]) == 0
    assert run(["verify", str(file), "--torch", "tests.support.traced_modules:half(10)"]) == 0


def test_a_file_takes_no_data_types(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "net.onnx", "--input-dtype", "int64"]) == 2
    assert "--input-dtype is only for --torch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "factory"),
    [
        ("nets:small", Factory("nets", ("small",))),
        ("nets.deep:Models.small", Factory("nets.deep", ("Models", "small"))),
        ("nets:small()", Factory("nets", ("small",), ())),
        ("nets: small(3, 'a', width=0.5)", Factory("nets", ("small",), (3, "a"), {"width": 0.5})),
        (
            'timm:create_model("resnet50", num_classes=-1, sizes=[1, (2, None)], options={"a": {1}}, deep=True)',
            Factory(
                "timm", ("create_model",), ("resnet50",),
                {"num_classes": -1, "sizes": [1, (2, None)], "options": {"a": {1}}, "deep": True},
            ),
        ),
    ],
)  # fmt: skip
def test_a_factory_and_its_arguments_are_parsed(text: str, factory: Factory) -> None:
    assert parse_factory(text) == factory


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nets", "must be package.module:factory"),
        (":small", "must be package.module:factory"),
        ("nets:", "must be package.module:factory"),
        ("nets:small(", "character 11 of"),
        ("nets:small(x)", "character 12 of .*: 'x' is not a literal .*: put text in quotes"),
        ("nets:small(1, width=f(2))", r"character 21 of .*: 'f\(2\)' is not a literal"),
        ("nets:small(1, *[2])", r"character 15 of .*: '\*\[2\]' is not a literal"),
        ("nets:small(**{})", r"character 14 of .*: \*\* is not supported"),
        ("nets:small(1)(2)", "character 6 of .*: after the colon must be a name or one call of it"),
        ("nets:small[0]", "after the colon must be a name or one call of it"),
        ("nets:'small'", "after the colon must be a name or one call of it"),
        ("nets:small(1+1)", "is not a literal"),
        ("nets:small(__import__('os').system('true'))", "is not a literal"),
        ("nets:small(" + "[" * 300 + "]" * 300 + ")", "nested|must be"),
        ("nets:small(" + "1," * 3000 + ")", "must be package.module:factory"),
    ],
)
def test_a_malformed_factory_is_refused_with_the_position(text: str, said: str) -> None:
    with pytest.raises(NotImported, match=said):
        parse_factory(text)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("call", "params"),
    [
        ("Sized(10)", 112 + 50),
        ("Sized(classes=5, width=2)", 56 + 15),
        ("Sized(5, bias=False)", 108 + 25),
        ("Sized.Inner('a', sizes=(2, 3))", 56),
        ("MODULE", 112),
    ],
)
def test_a_factory_is_called_with_its_arguments(call: str, params: int) -> None:
    assert report(read_factory(f"tests.support.traced_modules:{call}", PICTURE)).totals.params == params


@pytest.mark.torch
@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("Sized()", "missing 1 required positional argument: 'classes'"),
        ("Sized(10, depth=3)", "unexpected keyword argument 'depth'"),
        ("MODULE(3)", "MODULE is a module already: leave out the arguments"),
    ],
)
def test_a_factory_that_does_not_accept_the_arguments_is_an_error(call: str, said: str) -> None:
    with pytest.raises(NotImported, match=said):
        read_factory(f"tests.support.traced_modules:{call}", PICTURE)
