"""Networks exported as PyTorch modules: the text is valid Python, and the module has convcalc's figures."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from inspect import signature
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import convcalc
from convcalc.cli.main import run
from convcalc.convert.pytorch.makers import MAKERS, MERGES, WITHOUT_MODULE
from convcalc.convert.pytorch.names import TAKEN
from convcalc.convert.to_torch import module_text
from convcalc.layers import KINDS
from tests.support.places import EXAMPLES, ORACLE
from tests.support.torch_networks import HOSTILE, random_spec, specs

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
CASES = ORACLE / "cases.jsonl"


def example(name: str) -> convcalc.Network:
    return convcalc.load(EXAMPLES / f"{name}.yaml")


def classes(text: str) -> list[ast.ClassDef]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


def made(text: str) -> Any:
    """The module defined by a text, on the meta device."""
    import torch

    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(text, "written.py", "exec"), space)
    with torch.device("meta"):
        return space[classes(text)[-1].name]().eval()


def asserted_equal(network: convcalc.Network) -> None:
    """The module of a network has convcalc's params, trainable params, buffers and output shapes."""
    import torch

    module = made(module_text(network))
    with torch.device("meta"):
        given = module(*[torch.empty(1, *shape.sizes) for shape in network.inputs.values()])
    report = convcalc.analyse(network)
    params = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    statistics = [buffer.numel() for name, buffer in module.named_buffers() if "running" in name]
    outputs = given if isinstance(given, dict) else dict(zip(report.outputs(), [given], strict=True))
    assert sum(count for count, _ in params) == report.totals.params
    assert sum(count for count, trained in params if trained) == report.totals.trainable_params
    assert sum(statistics) == report.totals.buffers
    assert {name: tuple(output.shape[1:]) for name, output in outputs.items()} == {
        name: shape.sizes for name, shape in report.outputs().items()
    }


@pytest.mark.torch
def test_every_kind_except_opaque_is_in_the_table_or_has_a_namesake_in_torch() -> None:
    from torch import nn

    namesakes = set(KINDS) - set(MAKERS) - set(MERGES) - WITHOUT_MODULE
    assert {"opaque"} == WITHOUT_MODULE
    for kind in namesakes:
        accepted = signature(getattr(nn, KINDS[kind].__name__)).parameters
        for name, default in KINDS[kind].defaults(2).items():
            assert KINDS[kind].keys[name].required or accepted[name].default == default


@pytest.mark.parametrize("name", NAMES)
def test_the_text_of_an_example_is_python_that_imports_only_torch(name: str) -> None:
    tree = ast.parse(module_text(example(name)))
    imported = {alias.name if isinstance(node, ast.Import) else node.module for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}  # fmt: skip
    assert imported <= {"torch", "torch.nn", "collections"}
    assert ast.get_docstring(tree)


def test_the_text_does_not_reveal_the_folder() -> None:
    assert str(EXAMPLES) not in module_text(example("lenet5"))


def test_uses_of_a_block_that_differ_only_in_numbers_share_a_class() -> None:
    found = [node.name for node in classes(module_text(example("resnet50")))]
    assert found == ["Bottleneck", "Bottleneck2", "Resnet50"]  # with and without a convolution in the shortcut


BLOCKS = """\
input: [4, 16, 16]
blocks:
  squeeze:
    params: {out_channels: , stride: 1, my-width: }
    layers:
      - conv: {out_channels: $(my-width * 2), kernel_size: 1}
      - conv: {out_channels: $my-width, kernel_size: 3, stride: $stride, padding: 1}
      - conv: {out_channels: $out_channels, kernel_size: 1}
layers:
  - squeeze: {out_channels: 12, my-width: 4}
  - squeeze: {out_channels: 24, my-width: 6, stride: 2}
"""


def test_a_class_of_a_block_has_its_name_and_its_parameters(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(BLOCKS.replace("my-width", "width"), encoding="utf-8")
    block, _ = classes(module_text(convcalc.load(spec)))
    [constructor] = [node for node in block.body if isinstance(node, ast.FunctionDef)]
    assert block.name == "Squeeze"
    assert {"out_channels", "stride", "width"} <= {argument.arg for argument in constructor.args.args}


@pytest.mark.torch
def test_a_parameter_of_a_block_does_not_hide_what_its_class_uses(tmp_path: Path) -> None:
    for name in ("nn", "torch", "super", "self", "OrderedDict", "Squeeze", "lambda"):
        spec = tmp_path / "net.yaml"
        spec.write_text(BLOCKS.replace("my-width", name), encoding="utf-8")
        asserted_equal(convcalc.load(spec))


def test_a_name_and_description_only_appear_in_a_docstring() -> None:
    text = module_text(convcalc.load(HOSTILE))
    tree = ast.parse(text)
    docstring, *others = tree.body
    assert isinstance(docstring, ast.Expr)
    assert " ".join(str(HOSTILE["description"]).split()) in " ".join((ast.get_docstring(tree) or "").split())
    assert [type(node) for node in others] == [ast.ImportFrom, ast.ClassDef]
    assert not any(isinstance(node, ast.Call) and ast.unparse(node.func) == "__import__" for node in ast.walk(tree))


def test_layers_without_a_module_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("input: [8]\nlayers:\n  - opaque: {output_shape: [4], name: attention}\n", encoding="utf-8")
    assert run(["export", str(spec), "--to", "torch", "-o", str(tmp_path / "net.py")]) == 2
    assert "attention (opaque)" in capsys.readouterr().err
    assert not (tmp_path / "net.py").exists()


def test_the_command_writes_what_the_function_returns(tmp_path: Path) -> None:
    assert run(["export", "example:lenet5", "--to", "torch", "-o", str(tmp_path / "net.py")]) == 0
    assert (tmp_path / "net.py").read_text(encoding="utf-8") == module_text(convcalc.load("example:lenet5"))


def test_options_of_a_network_reach_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "example:mobilenet_v1", "--to", "torch", "--set", "width=0.5"]) == 0
    assert "nn.Linear(512, 1000)" in capsys.readouterr().out


@pytest.mark.torch
@pytest.mark.parametrize("name", NAMES)
def test_the_module_of_an_example_matches_its_summary(name: str) -> None:
    asserted_equal(example(name))


@pytest.mark.torch
@pytest.mark.parametrize("name", NAMES)
def test_the_keys_of_a_state_dict_begin_with_the_names_of_layers(name: str) -> None:
    """A module of a layer can contain others, such as the linear layers of an attention."""
    network = example(name)
    learning = {node.name for node in network.nodes if node.layer.weight_tensors()}
    found = set()
    for key in made(module_text(network)).state_dict():
        [layer] = [name for name in learning if key.startswith(f"{name}.")]
        found.add(layer)
        assert key.count(".", len(layer)) == 1 or "attention" in layer
    assert found == learning


@pytest.mark.torch
@pytest.mark.parametrize("name", specs())
def test_scopes_sharing_and_names_are_right(name: str) -> None:
    asserted_equal(convcalc.load(specs()[name]))


@pytest.mark.torch
def test_the_module_of_every_layer_in_the_oracle_matches() -> None:
    """Some layers of each kind in the oracle's table."""
    taken: dict[str, int] = defaultdict(int)
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "output" in case and taken[case["kind"]] < 25:
            taken[case["kind"]] += 1
            asserted_equal(convcalc.load({"input": case["input"], "layers": [{case["kind"]: case["arguments"]}]}))
    assert len(taken) > 40


@pytest.mark.torch
@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_any_nesting_of_scopes_results_in_a_matching_module(source: Random) -> None:
    try:
        network = convcalc.load(random_spec(source.randrange))
    except convcalc.InvalidSpec:
        reject()
    asserted_equal(network)


@pytest.mark.torch
def test_layers_cannot_take_the_names_of_attributes_of_a_module() -> None:
    nn = pytest.importorskip("torch", reason="PyTorch says what its modules have").nn
    own = {name for module in (nn.Module, nn.Sequential, nn.ModuleList) for name in dir(module)}
    assert {name for name in own if not name.startswith("_")} <= TAKEN


@pytest.mark.torch
@pytest.mark.parametrize("given", [{"scale": False}, {"center": False}, {"scale": False, "track_running_stats": False},
                                   {"scale": False, "center": False}])  # fmt: skip
def test_a_batch_norm_without_scale_or_bias_is_exported_as_one(given: dict[str, Any]) -> None:
    network = convcalc.load({"input": [4, 6, 6], "layers": [{"batchnorm": given}, "relu"]})
    asserted_equal(network)
    found = convcalc.from_torch(made(module_text(network)), (4, 6, 6))
    assert convcalc.analyse(found).totals == convcalc.analyse(network).totals


@pytest.mark.torch
def test_named_branches_are_exported_by_number() -> None:
    conv = {"conv": {"out_channels": 4, "kernel_size": 1}}
    branches = {"filter": [conv, "tanh"], "gate": [conv, "sigmoid"]}
    network = convcalc.load({"name": "gated", "input": [4, 8], "layers": [{"branches": branches, "merge": "multiply"}]})
    asserted_equal(network)
    assert "self.branches1[1](x)" in module_text(network)
