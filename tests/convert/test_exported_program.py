"""Archives of torch.export (`.pt2`): read without PyTorch, refused if malformed, the same report as the module."""

import contextlib
import inspect
import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.cli.main import run
from convcalc.convert.exported_program import archive, nodes, reader
from convcalc.convert.formats import recognise
from convcalc.convert.graph import Graph, NotImported, plain_spec

FLOAT32 = 7


def tensor(*sizes: Any, trained: bool = False, dtype: int = FLOAT32) -> dict[str, Any]:
    """What an archive says of a tensor; a size may be a text for an open size without a hint, or a pair with one."""
    listed = [size if isinstance(size, dict) else {"as_int": size} for size in sizes]
    return {"dtype": dtype, "sizes": listed, "requires_grad": trained}


def argument(name: str, **value: Any) -> dict[str, Any]:
    return {"name": name, "arg": value, "kind": 1}


def node(target: str, arguments: list[dict[str, Any]], *results: str, path: str = "") -> dict[str, Any]:
    stack = "L__self__,,net.Net" + (f";L__self___{path},{path},torch.nn.modules.module.Module" if path else "")
    return {
        "target": target,
        "inputs": arguments,
        "outputs": [{"as_tensor": {"name": result}} for result in results],
        "metadata": {"nn_module_stack": stack},
    }


def program(
    batch: Any = 2, values: Mapping[str, Any] | None = None, more: list[dict[str, Any]] | None = None, **graph: Any
) -> dict[str, Any]:
    """A network of a convolution and an in-place relu, with the nodes `more` and the tensors `values` after it."""
    known = {
        "p_conv_weight": tensor(8, 3, 3, 3, trained=True),
        "p_conv_bias": tensor(8, trained=True),
        "x": tensor(batch, 3, 8, 8),
        "conv2d": tensor(batch, 8, 6, 6),
        "relu_": tensor(batch, 8, 6, 6),
        **(values or {}),
    }
    own = [
        node(
            "torch.ops.aten.conv2d.default",
            [
                argument("input", as_tensor={"name": "x"}),
                argument("weight", as_tensor={"name": "p_conv_weight"}),
                argument("bias", as_tensor={"name": "p_conv_bias"}),
            ],
            "conv2d",
            path="conv",
        ),
        node("torch.ops.aten.relu_.default", [argument("self", as_tensor={"name": "conv2d"})], "relu_", path="act"),
    ]
    specs = [
        {"parameter": {"arg": {"name": "p_conv_weight"}, "parameter_name": "conv.weight"}},
        {"parameter": {"arg": {"name": "p_conv_bias"}, "parameter_name": "conv.bias"}},
        {"user_input": {"arg": {"as_tensor": {"name": "x"}}}},
    ]
    outputs = [{"as_tensor": {"name": (more or own)[-1]["outputs"][-1]["as_tensor"]["name"]}}]
    found = {
        "inputs": [],
        "outputs": outputs,
        "nodes": [*own, *(more or [])],
        "tensor_values": known,
        "sym_int_values": {},
        **graph,
    }
    return {"graph_module": {"graph": found, "signature": {"input_specs": specs}}, "torch_version": "2.13.0"}


def packed(content: Any, name: str = "net/models/model.json", method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as written:
        written.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
        written.writestr("net/archive_format", "pt2")
    return stream.getvalue()


def imported(folder: Path, content: Any, **options: Any) -> Graph:
    path = folder / "net.pt2"
    path.write_bytes(content if isinstance(content, bytes) else packed(content))
    return reader.read(str(path), **options)


def refuse(folder: Path, content: Any, message: str, **options: Any) -> None:
    with pytest.raises(NotImported, match=message):
        imported(folder, content, **options)


# -- what is read


def test_operations_become_the_layers_of_their_modules(tmp_path: Path) -> None:
    """The arguments that PyTorch leaves out, such as stride 1 of conv2d, are at their defaults."""
    graph = imported(tmp_path, program())
    assert [(step.name, step.kind, dict(step.arguments)) for step in graph.steps] == [
        ("conv", "conv", {"out_channels": 8, "kernel_size": 3}),
        ("act", "relu", {}),
    ]
    assert graph.inputs == {"x": (3, 8, 8)}
    assert graph.origin == "net.pt2 (torch.export, written by PyTorch 2.13.0)"
    totals = convcalc.summary(plain_spec(graph)).totals
    assert (totals.params, totals.macs) == (8 * 3 * 9 + 8, 8 * 6 * 6 * 27)


def test_the_layout_of_older_archives_is_read(tmp_path: Path) -> None:
    content = packed(program(), "serialized_exported_program.json", zipfile.ZIP_DEFLATED)
    assert [step.kind for step in imported(tmp_path, content).steps] == ["conv", "relu"]


def test_an_open_size_is_the_one_of_the_example(tmp_path: Path) -> None:
    batch = {"as_expr": {"expr_str": "s77", "hint": {"as_int": 5}}}
    assert convcalc.summary(plain_spec(imported(tmp_path, program(batch)))).totals.macs == 8 * 6 * 6 * 27


def test_a_size_without_a_hint_is_reported(tmp_path: Path) -> None:
    refuse(tmp_path, program({"as_expr": {"expr_str": "u0"}}), "the shape of the input 'x' is unknown")


def test_a_list_of_results_is_read_by_its_parts(tmp_path: Path) -> None:
    halves = [argument("self", as_tensor={"name": "relu_"}), argument("chunks", as_int=2), argument("dim", as_int=1)]
    split = node("torch.ops.aten.chunk.default", halves)
    split["outputs"] = [{"as_tensors": [{"name": "a"}, {"name": "b"}]}]
    joined = [argument("tensors", as_tensors=[{"name": "b"}, {"name": "a"}]), argument("dim", as_int=1)]
    join = node("torch.ops.aten.cat.default", joined, "cat")
    values = {"a": tensor(2, 4, 6, 6), "b": tensor(2, 4, 6, 6), "cat": tensor(2, 8, 6, 6)}
    graph = imported(tmp_path, program(2, values, [split, join]))
    assert [(step.kind, dict(step.arguments)) for step in graph.steps[2:]] == [
        ("slice", {"channels": [0, 4]}),
        ("slice", {"channels": [4, 8]}),
        ("concat", {}),
    ]


def test_a_nested_graph_is_read_in_its_place(tmp_path: Path) -> None:
    inner = {
        "inputs": [{"as_tensor": {"name": "y"}}],
        "outputs": [{"as_tensor": {"name": "tanh"}}],
        "nodes": [node("torch.ops.aten.tanh.default", [argument("self", as_tensor={"name": "y"})], "tanh")],
        "tensor_values": {"y": tensor(2, 8, 6, 6), "tanh": tensor(2, 8, 6, 6)},
    }
    region = node(
        "torch.ops.higher_order.wrap_with_set_grad_enabled",
        [
            argument("", as_bool=False),
            argument("", as_graph={"name": "inner", "graph": inner}),
            argument("", as_tensor={"name": "relu_"}),
        ],
        "region",
    )
    after = node("torch.ops.aten.sigmoid.default", [argument("self", as_tensor={"name": "region"})], "out")
    graph = imported(tmp_path, program(2, {"region": tensor(2, 8, 6, 6), "out": tensor(2, 8, 6, 6)}, [region, after]))
    assert [step.kind for step in graph.steps] == ["conv", "relu", "tanh", "sigmoid"]


def test_an_operation_of_another_library_has_an_unknown_cost(tmp_path: Path) -> None:
    custom = node("torch.ops.mine.relu.default", [argument("x", as_tensor={"name": "relu_"})], "mine")
    graph = imported(tmp_path, program(2, {"mine": tensor(2, 8, 6, 6)}, [custom]))
    assert graph.steps[-1].arguments["what"] == "mine.relu"
    assert convcalc.summary(plain_spec(graph)).totals.macs is None


def test_the_work_on_weights_alone_counts_once_per_batch(tmp_path: Path) -> None:
    """A convolution of a learnt map, whose result is added: 36 positions × 8 × 27 MACs, as many as the other one."""
    read = [argument("input", as_tensor={"name": "p_map"}), argument("weight", as_tensor={"name": "p_kernel"})]
    made = node("torch.ops.aten.conv2d.default", read, "made")
    both = [argument("self", as_tensor={"name": "relu_"}), argument("other", as_tensor={"name": "made"})]
    added = node("torch.ops.aten.add.Tensor", both, "sum")
    values = {
        "p_map": tensor(1, 3, 8, 8, trained=True),
        "p_kernel": tensor(8, 3, 3, 3, trained=True),
        "made": tensor(1, 8, 6, 6),
        "sum": tensor(2, 8, 6, 6),
    }
    content = program(2, values, [made, added])
    for name in ("map", "kernel"):
        spec = {"parameter": {"arg": {"name": f"p_{name}"}, "parameter_name": name}}
        content["graph_module"]["signature"]["input_specs"].insert(0, spec)
    totals = convcalc.summary(plain_spec(imported(tmp_path, content))).totals
    assert totals.macs == 2 * 36 * 8 * 27
    assert totals.params == 8 * 27 + 8 + 3 * 64 + 8 * 27


def test_the_shape_cannot_be_changed(tmp_path: Path) -> None:
    assert imported(tmp_path, program(), inputs={None: (3, 8, 8)}).inputs == {"x": (3, 8, 8)}
    assert imported(tmp_path, program(), inputs={"x": (3, 8, 8)}).inputs == {"x": (3, 8, 8)}
    refuse(tmp_path, program(), "cannot be changed; its inputs are x=3,8,8", inputs={None: (3, 16, 16)})
    refuse(tmp_path, program(), "cannot be changed; its inputs are x=3,8,8", inputs={"y": (3, 8, 8)})


def test_a_batch_in_front_of_the_shape_is_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(packed(program()))
    assert run(["summary", str(path), "--input", "1,3,8,8"]) == 0
    assert "the leading 1 is taken as the batch size" in capsys.readouterr().err


def test_unused_params_are_left_out_and_counted(tmp_path: Path) -> None:
    content = program(2, {"p_other": tensor(7, trained=True)})
    specs = content["graph_module"]["signature"]["input_specs"]
    specs.insert(0, {"parameter": {"arg": {"name": "p_other"}, "parameter_name": "other"}})
    graph = imported(tmp_path, content)
    assert graph.origin.endswith("without the 7 params that its forward does not use")
    assert convcalc.summary(plain_spec(graph)).totals.params == 8 * 27 + 8


def test_frozen_params_are_not_trained(tmp_path: Path) -> None:
    values = {"p_conv_weight": tensor(8, 3, 3, 3), "p_conv_bias": tensor(8)}
    assert convcalc.summary(plain_spec(imported(tmp_path, program(2, values)))).totals.trainable_params == 0


@pytest.mark.parametrize(
    "command", ["summary", "check", "compare", "rf", "memory", "explain", "alternatives", "import"]
)
def test_every_command_reads_an_archive(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(packed(program()))
    assert run([command, str(path)]) == 0
    assert capsys.readouterr().err == ""


# -- what is not


def test_a_pickle_is_still_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for name in ("net/data.pkl", "net/byteorder", "net/data/0", "net/version"):
            written.writestr(name, b"")
    found = recognise("net.pt2", stream.getvalue())
    assert found is not None
    assert (found.name, found.reader) == ("a PyTorch file", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a ZIP archive"),
        (b"PK\x03\x04" + bytes(100), "not a ZIP archive"),
        (packed(program())[:-30], "not a ZIP archive, or truncated|cannot be read"),
        (packed(program(), "net/data/aotinductor/model.so"), "no graph of torch.export"),
        (packed(b"[]"), "not a JSON object"),
        (packed(b"{"), "not JSON"),
        (packed(b"\xff\xfe\xfd"), "not JSON"),
        (packed(b'{"graph_module":' * 100_000), "nested too deep|not JSON"),
        (packed({}), "malformed graph"),
        (packed({"graph_module": 5}), "malformed graph"),
        (packed({"graph_module": {"graph": [], "signature": {"input_specs": []}}}), "malformed graph"),
    ],
)
def test_another_file_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    refuse(tmp_path, content, message)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((2, 3, 10**6, 10**6), "more than 100,000,000,000 elements"),
        ((2, -3, 8, 8), "malformed sizes"),
        ((1,) * 65, "malformed sizes"),
        ((2, {}, 8, 8), "malformed graph"),
    ],
)
def test_malformed_sizes_are_refused(sizes: tuple[Any, ...], message: str, tmp_path: Path) -> None:
    refuse(tmp_path, program(2, {"x": tensor(*sizes)}), message)


def test_a_node_that_exists_already_is_refused(tmp_path: Path) -> None:
    again = node("torch.ops.aten.relu.default", [argument("self", as_tensor={"name": "relu_"})], "conv2d")
    refuse(tmp_path, program(2, {}, [again]), "two nodes called 'conv2d'")


def test_a_node_that_reads_a_later_one_is_refused(tmp_path: Path) -> None:
    loop = node("torch.ops.aten.relu.default", [argument("self", as_tensor={"name": "loop"})], "loop")
    refuse(tmp_path, program(2, {"loop": tensor(2, 8, 6, 6)}, [loop]), "malformed graph|no output depends")


@pytest.mark.parametrize("most", [4, 5])
def test_the_number_of_nodes_is_limited(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network has three placeholders and two operations; the output is not counted."""
    monkeypatch.setattr(nodes, "MOST_NODES", most)
    if most == 5:
        imported(tmp_path, program())
    else:
        refuse(tmp_path, program(), "more than 4 nodes")


def nest(depth: int) -> dict[str, Any]:
    values = {"y": tensor(2, 8, 6, 6), "z": tensor(2, 8, 6, 6)}
    found = node("torch.ops.aten.relu.default", [argument("self", as_tensor={"name": "y"})], "z")
    for _ in range(depth):
        graph = {
            "inputs": [{"as_tensor": {"name": "y"}}],
            "outputs": [{"as_tensor": {"name": "z"}}],
            "nodes": [found],
            "tensor_values": values,
        }
        inner = [argument("", as_graph={"name": "g", "graph": graph}), argument("", as_tensor={"name": "y"})]
        found = node("torch.ops.higher_order.wrap_with_autocast", inner, "z")
    found["inputs"][-1]["arg"] = {"as_tensor": {"name": "relu_"}}
    return program(2, {"z": tensor(2, 8, 6, 6)}, [found])


def test_nested_graphs_are_limited(tmp_path: Path) -> None:
    assert len(imported(tmp_path, nest(nodes.MOST_GRAPHS)).steps) == 3
    refuse(tmp_path, nest(nodes.MOST_GRAPHS + 1), "graphs nested more than 32 deep")


def test_the_size_of_the_graph_is_limited_after_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(json.dumps(program()).encode() + b" " * 5_000_000, method=zipfile.ZIP_DEFLATED)
    size = len(json.dumps(program())) + 5_000_000
    assert len(content) < 50_000
    monkeypatch.setattr(archive, "MOST_JSON", size)
    imported(tmp_path, content)
    monkeypatch.setattr(archive, "MOST_JSON", size - 1)
    refuse(tmp_path, content, "its graph is larger than")


def test_the_list_of_members_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(program())
    length = struct.unpack_from("<I", content, content.rindex(b"PK\x05\x06") + 12)[0]
    monkeypatch.setattr(archive, "MOST_DIRECTORY", length)
    imported(tmp_path, content)
    monkeypatch.setattr(archive, "MOST_DIRECTORY", length - 1)
    refuse(tmp_path, content, "the list of its members is larger than")


PLAIN = json.dumps(program()).encode()


@settings(max_examples=200, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.sampled_from(b'0179-[]{}",:eas')), min_size=1, max_size=4))
def test_changed_graphs_are_read_or_refused(tmp_path_factory: Any, changes: list[tuple[int, int]]) -> None:
    content = bytearray(PLAIN)
    for place, byte in changes:
        content[place] = byte
    path = tmp_path_factory.getbasetemp() / "changed.pt2"
    path.write_bytes(packed(bytes(content)))
    with contextlib.suppress(NotImported):
        convcalc.summary(plain_spec(reader.read(str(path))))


def test_hostile_names_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[31m\x07[bold]"
    custom = node(f"torch.ops.{hostile}.f.default", [argument("x", as_tensor={"name": "relu_"})], hostile, path=hostile)
    content = program(2, {hostile: tensor(2, 8, 6, 6)}, [custom])
    content["torch_version"] = hostile
    path = tmp_path / "net.pt2"
    path.write_bytes(packed(content))
    for command in ("summary", "import", "check"):
        assert run([command, str(path)]) == 0
        said = "".join(capsys.readouterr())
        assert "\x1b[31m" not in said
        assert "\x07" not in said


# -- compared with PyTorch


@pytest.mark.torch
def test_the_stated_signatures_are_those_of_pytorch() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed", exc_type=ImportError)
    from tests.rewrite_aten_schemas import FILE, list_schemas

    assert FILE.read_text(encoding="utf-8") == list_schemas()


@pytest.mark.torch
def test_signatures_are_parsed_as_pytorch_states_them() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed", exc_type=ImportError)
    from convcalc.convert.exported_program.schemas import find_schema
    from tests.rewrite_aten_schemas import FILE

    for line in FILE.read_text(encoding="utf-8").splitlines():
        due = torch._C.parse_schema(line)
        found = find_schema(line.partition("(")[0])
        assert found is not None
        assert found.name == due.name
        assert found.is_mutable == due.is_mutable
        assert [each.name for each in found.arguments] == [each.name for each in due.arguments]
        for own, other in zip(found.arguments, due.arguments, strict=True):
            assert own.has_default_value() == other.has_default_value(), line
            assert (own.alias_info is None) == (other.alias_info is None)
            assert own.alias_info is None or own.alias_info.is_write == other.alias_info.is_write
            if isinstance(own.default_value, int | float | bool) and not isinstance(other.default_value, list):
                assert own.default_value == other.default_value or isinstance(other.default_value, int), line


def list_cases() -> list[str]:
    try:
        from tests.support.exported_modules import CASES
    except ImportError:
        return ["PyTorch is not installed"]
    return list(CASES)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "any_batch"])
@pytest.mark.parametrize("name", list_cases())
def test_a_saved_module_has_the_report_of_the_module(name: str, dynamic: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed", exc_type=ImportError)
    from tests.support.exported_modules import CASES

    case = CASES[name]
    module = case.make().eval()
    dtype = torch.int64 if case.tokens else torch.float32
    examples = tuple(torch.zeros(7, *shape, dtype=dtype) for shape in case.shapes)
    names = inspect.signature(module.forward).parameters.values()
    each = tuple({0: torch.export.Dim.AUTO} for _ in examples)
    several = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in names)
    open_sizes = ((each,) if several else each) if dynamic else None
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module, examples, dynamic_shapes=open_sizes), str(path))
    found = convcalc.summary(plain_spec(reader.read(str(path))))
    due = convcalc.summary(convcalc.from_torch(module, case.shapes, input_dtype="int64" if case.tokens else None))
    assert found.totals == due.totals
    assert [(layer.name, layer.kind, layer.params, layer.macs, layer.layer.output.sizes) for layer in found.layers] == [
        (layer.name, layer.kind, layer.params, layer.macs, layer.layer.output.sizes) for layer in due.layers
    ]
