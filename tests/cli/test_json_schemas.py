"""The published JSON Schemas: all JSON that commands write is valid by them, and documents of another form are not."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import convcalc
from convcalc import examples
from convcalc.cli.main import run
from convcalc.json_schemas import DOCUMENTS, Schema, document_schema
from convcalc.layers import KINDS
from convcalc.render.layers import parse_page
from convcalc.units import BITS
from tests.support.places import BAD

PACKAGE = Path(convcalc.__file__).parent
IDENTIFIER = re.compile(r'"convcalc/(\w+)/[0-9]+"')

SPECS = {
    "small": """
name: small net
params: {width: 8, act: relu, bias: true, sizes: [3, 3]}
input: [3, 9, 9]
layers:
  - conv: {out_channels: $width, kernel_size: $sizes, stride: 2, bias: $bias, name: stem}
  - batchnorm
  - $act
  - conv: {out_channels: $width, kernel_size: 3, padding: 1, name: body}
  - global_avgpool
  - flatten
  - linear: {out_features: 5, name: head}
budget: {params: 300, receptive_field: {min: 1000}, output_shape: {head: [6]}, per_layer: {"*": {macs: 100}}}
""",
    "unknown": """
input: [3, 8, 8]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1}
  - opaque: {output_shape: [8, 4, 4], params: 100}
  - conv: {out_channels: 8, kernel_size: 3}
budget: {macs: 1M, receptive_field: {max: 3}}
""",
    "several": """
inputs: {left: [4, 6, 8], right: [4, 6, 8]}
blocks:
  both: {inputs: [one, other], layers: [{add: {from: [one, other]}}, {conv: {out_channels: 4, kernel_size: 3}}]}
layers:
  - conv: {out_channels: 4, kernel_size: 3, padding: 1, from: left, frozen: true, name: first}
  - conv: {out_channels: 4, kernel_size: 3, padding: 1, from: right, share: first, name: second}
  - both: {from: [first, second], name: merged}
  - branches:
      - [{maxpool: {kernel_size: 2}}, {upsample: {scale_factor: 2}}]
      - [{conv: {out_channels: 4, kernel_size: 1}}]
    merge: concat
    name: tail
outputs: [merged, tail]
batch: 3
""",
    "vector": "input: [16]\nlayers: [{linear: {out_features: 4}}, softmax]\ndtype: {weights: int8, bias: int8}\n",
    "sound": "input: [1, 100]\nlayers: [{conv: {out_channels: 4, kernel_size: 9, stride: 4}}, relu]\ndtype: int8\n",
    "volume": "input: [1, 6, 6, 6]\nlayers: [{conv_transpose: {out_channels: 2, kernel_size: 3, stride: 2}}]\n",
    "padding_only": "input: [1, 3]\nlayers:\n  - conv: {out_channels: 1, kernel_size: 1, padding: 2, stride: 7}\n",
    "ordered": "input: [3, 8, 8]\nlayers: [relu, sigmoid, {conv: {out_channels: 4, kernel_size: 3, name: c}}]\n",
    "reordered": "input: [3, 8, 8]\nlayers: [sigmoid, {conv: {out_channels: 4, kernel_size: 3}}, relu]\n",
    "choices": """
space: {depth: [1, 2], kernel: {choices: [1, 3, 5], per: copy}}
input: [4, 7]
layers: [{conv: {out_channels: 4, kernel_size: $kernel, repeat: $depth}}]
""",
    "uncounted": "space: {n: [1, 2]}\ninput: [4]\nlayers: [{opaque: {output_shape: [$n], params: $n}}]\n",
    "wrong": "params: {n: 1}\ninput: [3, 8, 8]\nlayers:\n  - conv: {filters: 4}\n  - relu: {from: nobody}\n  - reluu\n",
}
EXAMPLES = ["example:lenet5", "example:m5", "example:unet_padded", "example:mobilenet_v1"]
VALID = [*(name for name in SPECS if name != "wrong"), *EXAMPLES]

CASES = {
    "report": [["summary", net] for net in VALID]
    + [["summary", "small", *options.split()] for options in ("--batch 4 --dtype float16", "--fold-batchnorm")],
    "problems": [
        ["check", *SPECS, "example:alexnet", "--select", "CV"],
        ["check", "missing", "folder.yaml", "binary.onnx", "example:nothing"],
        ["check", "sound"],
        ["check", str(BAD)],
        ["summary", "wrong"],
        ["diff", "wrong", "wrong"],
        ["compare", "wrong"],
        ["fit", "wrong", "-p", "n=1,2", "--max-params", "1"],
    ],
    "receptive_field": [["rf", net] for net in VALID]
    + [
        ["rf", "small", "stem"],
        ["rf", "small", "stem", "--position", "0,0"],
        ["rf", "small", "head"],
        ["rf", "sound", "conv1", "--position", "3"],
        ["rf", "padding_only", "conv1", "--position", "0"],
        ["rf", "several", "tail"],
        ["rf", "small", "--effective"],
        ["rf", "small", "stem", "--effective"],
        ["rf", "example:vit_tiny", "--effective"],
        ["rf", "example:vit_tiny", "encoder1.0", "--effective"],
        ["rf", "example:unet_padded", "--effective"],
        ["rf", "example:efficientnet_b0", "mbconv1", "--effective"],
    ],
    "memory": [["memory", net] for net in VALID] + [["memory", "small", "--no-inplace", "--optimizer", "adam"]],
    "mcu": [["mcu", net] for net in VALID if net not in ("uncounted", "unknown", "volume")]
    + [["mcu", "small", "--runtime", "liveness"], ["mcu", "small", "--device", "nucleo-l4r5zi", "--dtype", "float32"]],
    "latency": [["latency", net, "--device", "rtx4090"] for net in VALID if net != "vector"]
    + [["latency", "small", "--device", "h200", "--dtype", "float16", "--eager", "--energy"]]
    + [["latency", net, "--device", "nucleo-l4r5zi", "--energy"] for net in ("small", "volume", "unknown")],
    "explanation": [["explain", net] for net in VALID] + [["explain", net, "*"] for net in SPECS if net != "wrong"],
    "conventions": [["explain", "--conventions"], *(["explain", net, "--conventions"] for net in VALID)],
    "algorithms": [["explain", net, "*", "--algorithms"] for net in ("small", "several", "sound", "unknown")]
    + [["explain", "example:resnet18", "stage1.*", "--algorithms"]],
    "alternatives": [["alternatives", net] for net in VALID if net != "unknown"]
    + [["alternatives", "example:mobilenet_v1", "--by", "params", "--limit", "1"], ["alternatives", "unknown"]],
    "fit": [
        ["fit", "small", "-p", "width=2:12:2", "--no-spec-budget", "--max-params", "1K"],
        ["fit", "small", "-p", "width=0,4,8", "-p", "act=relu,nothing"],
        ["fit", "small", "-p", "bias=true,false", "--by", "-macs", "--no-spec-budget", "--min-receptive-field", "1"],
        ["fit", "small", "-p", "sizes=[1, 1],[3, 3]", "--no-spec-budget", "--max-peak-memory", "1MiB"],
        ["fit", "example:mobilenet_v1", "-p", "width=0.5,1.0", "--max-macs", "300M", "--limit", "1"],
        ["fit", "example:ds_cnn", "-p", "channels=8,16", "--max-latency", "9ms@nucleo-l4r5zi", "--runtime", "liveness"],
    ],
    "sweep": [
        ["sweep", "small", "-p", "width=2:12:2", "--no-spec-budget", "--derive", "half=width/2"],
        ["sweep", "small", "-p", "width=0,4,8", "-p", "act=relu,nothing"],
        [
            "sweep",
            "small",
            "-p",
            "sizes=[1, 1],[3, 3]",
            "-p",
            "bias=true,false",
            "--mark-pareto",
            "macs,params",
            "--no-spec-budget",
        ],
        ["sweep", "small", "-p", "width=4", "--where", "macs < 0", "--drop-invalid", "--max-macs", "1G"],
        ["sweep", "small", "-p", "width=4", "--device", "nucleo-l4r5zi", "--max-arena", "@nucleo-l4r5zi"],
    ],
    "space": [
        ["space", "choices"],
        ["space", "choices", "--max-params", "500", "--set", "kernel=3"],
        ["space", "choices", "--sample", "2"],
        ["space", "choices", "--best", "-params"],
        ["space", "choices", "--pareto", "layers,-params", "--max-peak-memory", "1B"],
        ["space", "uncounted", "--best", "params"],
        ["space", "uncounted"],
    ],
    "diff": [
        ["diff", "small", "small"],
        ["diff", "small", "small", "--set-new", "width=4", "--batch", "2", "--fail-if", "params>1"],
        ["diff", "small", "example:lenet5"],
        ["diff", "example:lenet5", "unknown"],
        ["diff", "several", "vector"],
        ["diff", "vector", "example:unet_padded"],
        ["diff", "sound", "volume"],
        ["diff", "ordered", "reordered"],
        ["diff", "example:resnet18", "example:resnet34", "--fail-if", "macs > +200%"],
        ["diff", "small", "unknown", "--device", "nucleo-l4r5zi", "--fail-if", "arena > 1%"],
    ],
    "compare": [
        ["compare", *VALID, "--device", "nucleo-l4r5zi"],
        ["compare", *VALID],
        ["compare", "small"],
        ["compare", "wrong", "small"],
    ],
    "page": [["report", net] for net in VALID]
    + [["report", "small", "example:vit_tiny", "--fold-batchnorm"], ["report", "unknown", "--device", "nucleo-l4r5zi"]],
}
ALL_CASES = [(name, arguments) for name, cases in CASES.items() for arguments in cases]
MEASURED = ("runtime", "device", "mode")
OPTIONAL: dict[str, Set[str]] = {  # keys that are not in every document of their kind
    "report": {"bias", "size_min"},
    "receptive_field": {"region", "shift_equivariance", "size_min", "effective", "sigma_min", "ignored"},
    "fit": {"min", "max", "output", "layers", "shape", *MEASURED, "latency", "arena", "flash"},
    "sweep": {"pareto", "problem", "min", "max", "output", "layers", "shape", *MEASURED},
    "verify": {"totals", "refusal"},
    "page": {
        *MEASURED,
        "measured",
        "latency",
        "arena",
        "flash",
        "bias",
        "size_min",
        "copies",
        "whole",
        "axes",
        "layout",
        "layers",
        "figures",
    },
    **dict.fromkeys(("alternatives", "explanation"), frozenset({"size_min"})),
    "compare": {"added", "bias", "size_min", "measured", *MEASURED, "latency", "arena", "flash"},
    "diff": {"bias", "size_min", *MEASURED, "latency", "arena", "flash"},
}
ACTIONS = ("added", "removed", "moved", "renamed", "changed", "reshaped")
NAMED_BY_USERS = {
    "rows",
    "arguments",
    "params",
    "inputs",
    "outputs",
    "tried",
    "conventions",
    "remarks",
}  # mappings from names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with the specs, a folder called like a spec and a file that is none."""
    found = tmp_path_factory.mktemp("specs")
    for name, text in SPECS.items():
        (found / name).write_text(text, encoding="utf-8")
    (found / "folder.yaml").mkdir()
    (found / "binary.onnx").write_bytes(b"\x08\x07\x12\x07pytorch\xff")
    with contextlib.chdir(found):
        yield found


def written(arguments: list[str]) -> dict[str, Any]:
    """The JSON document that a command writes to standard output."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        run([*arguments, "-f", "json"])
    assert out.getvalue(), err.getvalue()
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(document_schema(name))


def errors(name: str, document: Any) -> list[str]:
    found = (jsonschema.exceptions.best_match([error]) for error in validator(name).iter_errors(document))
    return [f"{error.json_path}: {error.message[:300]}" for error in found if error is not None]


# -- what commands write


@pytest.mark.parametrize(("name", "arguments"), ALL_CASES, ids=[" ".join(case) for _, case in ALL_CASES])
def test_what_commands_write_is_valid(name: str, arguments: list[str], folder: Path) -> None:
    assert errors(name, written(arguments)) == []


def test_the_manifest_of_a_folder_is_valid(folder: Path) -> None:
    long = ["sweep", "small", "-p", "width=1:2000:1", "-o", "rows/", "--columns", "macs"]
    short = ["sweep", "small", "-p", "width=4,8", "-p", "act=relu,silu", "-o", "few/", "--sample", "3", "--batch", "2"]
    for arguments in (long, [*short, "--where", "macs > 1", "--max-macs", "1G", "--drop-invalid"]):
        assert run(arguments) == 0
        document = json.loads(Path(arguments[arguments.index("-o") + 1], "sweep.json").read_text(encoding="utf-8"))
        assert errors("shards", document) == []
        for part in (document, document["sweep"]):
            for key in list(part):
                value = part.pop(key)
                assert not is_valid("shards", document), key
                part[key] = value
            part["surprise"] = 1
            assert not is_valid("shards", document)
            del part["surprise"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_of_every_layer_kind_is_valid(kind: str, folder: Path) -> None:
    manual = parse_page(KINDS[kind])
    (folder / "kind").write_text(f"input: {manual.example_input}\nlayers:\n  - {manual.example}\n", encoding="utf-8")
    assert errors("report", written(["summary", "kind"])) == []
    assert errors("explanation", written(["explain", "kind", "*"])) == []


def test_a_spec_that_was_not_read_from_a_file_has_no_file_and_no_lines() -> None:
    report = convcalc.summary({"input": [3, 8, 8], "layers": ["relu"]}).to_dict()
    assert (report["file"], report["layers"][0]["line"]) == (None, None)
    assert errors("report", report) == []


def test_the_documents_hold_what_the_cases_are_for(folder: Path) -> None:
    """Without nulls, optional keys and filled lists in the documents, the schemas would not be tested."""
    texts = {name: " ".join(json.dumps(written(case)) for case in cases) for name, cases in CASES.items()}
    for name, keys in OPTIONAL.items():
        assert name == "verify" or [key for key in keys if f'"{key}":' not in texts[name]] == []
    assert '"macs": null' in texts["report"]
    assert '"gradients": null' in texts["memory"]
    assert '"unclipped": null' in texts["receptive_field"] or '"clipped": null' in texts["receptive_field"]
    assert all(f'"severity": "{severity}"' in texts["problems"] for severity in ("error", "warning", "note"))
    assert all(f'"code": "{code}"' in texts["problems"] for code in ("CV000", "CV100"))
    assert '"invalid": []' in texts["fit"]
    assert '"problem": "' in texts["fit"]
    assert '"problem": "' in texts["sweep"]
    assert '"rows": []' in texts["sweep"]
    assert '"pareto": true' in texts["sweep"]
    assert '"pareto": false' in texts["sweep"]
    assert '"nearest": {' in texts["fit"]
    assert all(f'"{word}"' in texts["diff"] for word in ACTIONS)
    assert '"relative": null' in texts["diff"]
    assert '"alternative": null' in texts["alternatives"]


# -- verify


@pytest.mark.torch
def test_what_verify_writes_of_pytorch_is_valid(folder: Path) -> None:
    assert errors("verify", written(["verify", "small", "several", "unknown", "example:m5"])) == []
    module = ["--torch", "tests.support.reported_modules:Small"]
    small = folder / "same.yaml"
    run(["import", *module, "--input", "3,8,8", "-o", str(small)])
    for net in (str(small), "small"):
        found = written(["verify", net, *module])
        assert found["networks"][0]["totals"]["params"].keys() == {"ours", "pytorch"}
        assert errors("verify", found) == []


def test_what_verify_writes_of_onnx_is_valid(folder: Path) -> None:
    pytest.importorskip("onnx", reason="verify --onnx reads ONNX files")
    run(["export", "example:lenet5", "--to", "onnx", "-o", "lenet5.onnx"])
    changed = (
        Path(examples.find_file("lenet5")).read_text(encoding="utf-8").replace("out_features: 84", "out_features: 85")
    )
    (folder / "changed").write_text(changed, encoding="utf-8")
    for net in ("example:lenet5", "changed"):
        found = written(["verify", net, "--onnx", "lenet5.onnx"])
        assert found["networks"][0]["totals"]["params"].keys() == {"ours", "onnx"}
        assert errors("verify", found) == []


# -- the schemas themselves


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_schema_is_one(name: str) -> None:
    schema = document_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    assert schema["title"]
    assert f"`convcalc {DOCUMENTS[name].split()[0]} " in schema["description"]


def test_every_document_of_the_package_has_a_schema() -> None:
    found = {
        match[1]: match[0].strip('"')
        for file in PACKAGE.rglob("*.py")
        for match in IDENTIFIER.finditer(file.read_text(encoding="utf-8"))
        if match[1] != "spec"
    }
    assert found == {name: document_schema(name)["$id"] for name in DOCUMENTS}
    files = {file.stem for file in (PACKAGE / "json_schemas").glob("*.json")}
    assert files == {*DOCUMENTS, "shared"}


def definitions(schema: Schema) -> dict[str, Schema]:
    found: dict[str, Schema] = schema["$defs"]
    return found


def parts(schema: Any) -> Iterator[Schema]:
    """A schema and all schemas in it."""
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from parts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from parts(part)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_property_is_described(name: str) -> None:
    schema = document_schema(name)
    for part in parts(schema):
        for key, found in part.get("properties", {}).items():
            referred = definitions(schema).get(found.get("$ref", "").removeprefix("#/$defs/"), {})
            assert key == "schema" or "description" in found or "description" in referred, key


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_definition_is_used(name: str) -> None:
    schema = document_schema(name)
    used = {part["$ref"].removeprefix("#/$defs/") for part in parts(schema) if "$ref" in part}
    assert used == set(definitions(schema))


def test_the_data_types_are_those_of_convcalc() -> None:
    assert set(definitions(document_schema("report"))["dtype"]["enum"]) == set(BITS)


# -- documents of another form


def objects(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every object of a document with its path; of the elements of a list the first and the last."""
    if isinstance(document, dict):
        yield path, document
        for key, value in document.items():
            yield from objects(value, (*path, key))
    elif isinstance(document, list):
        for index in sorted({0, len(document) - 1} if document else ()):
            yield from objects(document[index], (*path, index))


def is_free(path: tuple[str | int, ...]) -> bool:
    """Whether an object's keys are names that people choose, or arguments of layer kinds."""
    return "entries" in path or "rows" in path or (bool(path) and path[-1] in NAMED_BY_USERS)


def is_valid(name: str, document: Any) -> bool:
    found: bool = validator(name).is_valid(document)
    return found


SAMPLES: dict[str, list[list[str]]] = {
    "report": [["summary", "unknown"], ["summary", "several"]],
    "problems": [["check", "wrong", "missing"]],
    "receptive_field": [["rf", "small", "stem"], ["rf", "several"]],
    "memory": [["memory", "small"]],
    "mcu": [["mcu", "small", "--ram", "64KiB"]],
    "latency": [["latency", "small", "--device", "rtx3090", "--energy"]],
    "explanation": [["explain", "small", "stem"], ["explain", "small"]],
    "conventions": [["explain", "--conventions"], ["explain", "small", "--conventions"]],
    "algorithms": [["explain", "small", "*", "--algorithms"]],
    "alternatives": [["alternatives", "small"]],
    "fit": CASES["fit"][:2],
    "sweep": CASES["sweep"][:2],
    "diff": [["diff", "small", "several"]],
    "compare": [["compare", "small", "vector"]],
    "page": [["report", "small"], ["report", "several"]],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_document_with_an_unknown_key_is_refused(name: str, folder: Path) -> None:
    for arguments in SAMPLES[name]:
        document = written(arguments)
        for path, part in objects(document):
            if not is_free(path) or "old" in part:  # a figure of a diff may be called params
                part["surprise"] = 1
                assert not is_valid(name, document), path
                del part["surprise"]
        assert is_valid(name, document)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_document_without_one_of_its_keys_is_refused(name: str, folder: Path) -> None:
    for arguments in SAMPLES[name]:
        document = written(arguments)
        for path, part in objects(document):
            if is_free(path) and "old" not in part:
                continue
            for key in set(part) - OPTIONAL.get(name, frozenset()):
                whole = copy.deepcopy(part)
                del part[key]
                assert not is_valid(name, document), (path, key)
                part.clear()
                part.update(whole)


@pytest.mark.parametrize(
    ("name", "arguments", "path", "value"),
    [
        ("report", ["summary", "small"], "schema", "convcalc/report/0"),
        ("report", ["summary", "small"], "totals.params", 1.5),
        ("report", ["summary", "small"], "totals.params", None),
        ("report", ["summary", "small"], "layers.0.output_shape", []),
        ("report", ["summary", "small"], "layers.0.receptive_field.jump", ["2/x", 2]),
        ("report", ["summary", "small"], "dtype.weights", "float31"),
        ("problems", ["check", "wrong"], "problems.0.severity", "fatal"),
        ("problems", ["check", "wrong"], "problems.0.line", 0),
        ("diff", ["diff", "small", "several"], "layers.0.did", ["gone"]),
        ("fit", CASES["fit"][1], "best", "cheapest"),
    ],
)
def test_a_wrong_value_is_refused(name: str, arguments: list[str], path: str, value: Any, folder: Path) -> None:
    document = written(arguments)
    *way, last = path.split(".")
    part: Any = document
    for key in way:
        part = part[int(key) if isinstance(part, list) else key]
    part[last] = value
    assert not is_valid(name, document)


# -- the command


def test_the_command_prints_each_schema(capsys: pytest.CaptureFixture[str]) -> None:
    for name in DOCUMENTS:
        assert run(["schema", name]) == 0
        assert json.loads(capsys.readouterr().out) == document_schema(name)


def test_the_help_lists_all_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--help"]) == 0
    assert set(re.findall(r"\w+", capsys.readouterr().out)) >= {"spec", *DOCUMENTS}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("reports", "unknown document 'reports': did you mean report?"),
        ("rf", "unknown document 'rf': convcalc rf writes receptive_field"),
        ("summary", "unknown document 'summary': convcalc summary writes report"),
        ("xyz", "available: spec, report, problems, "),
    ],
)
def test_an_unknown_document_gets_the_nearest_one(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", name]) == 2
    assert said in capsys.readouterr().err
