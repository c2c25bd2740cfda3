"""Networks from Keras: compared with what Keras itself reports for models, for single layers and for their wiring.

The files in tests/data/keras were written by Keras (see build.py there): its `to_json`, its number of params, and MACs
calculated from the shapes of its own weights and outputs.
"""

import copy
import gzip
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.from_keras import read
from convcalc.convert.graph import Graph, NotImported, plain_spec
from tests.support.places import DATA

KERAS = DATA / "keras"
APPLICATIONS = sorted(path.name.removesuffix(".json.gz") for path in KERAS.glob("[A-Z]*.json.gz"))


def said(name: str) -> Any:
    return json.loads(gzip.decompress((KERAS / f"{name}.json.gz").read_bytes()))


def imported(tmp_path: Path, keras: Any, **options: Any) -> Graph:
    file = tmp_path / "model.json"
    file.write_text(json.dumps(keras).replace("Infinity", "1e999"), encoding="utf-8")
    return read(str(file), **options)


def report(graph: Graph) -> convcalc.Report:
    return convcalc.summary(plain_spec(graph))


def channels_last(shape: tuple[int, ...]) -> list[int]:
    return [*shape[1:], shape[0]]


def disagreement(tmp_path: Path, model: Any) -> list[tuple[str, Any, Any]]:
    """The figures that differ from those of Keras."""
    found = report(imported(tmp_path, model["keras"]))
    [output] = found.outputs().values()
    figures = (
        ("params", found.totals.params + found.totals.buffers, model["params"]),
        ("trainable", found.totals.trainable_params, model["trainable"]),
        ("macs", found.totals.macs, model["macs"]),
        ("output", channels_last(output.sizes), model["output"]),
    )
    return [figure for figure in figures if figure[1] != figure[2]]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications_match_keras(tmp_path: Path, name: str) -> None:
    model = said(name)
    if name == "EfficientNetB0":
        model["params"] -= 1  # Keras's Normalization stores the number of samples it was adapted to as a weight
    assert disagreement(tmp_path, model) == []


def test_there_are_applications() -> None:
    assert len(APPLICATIONS) >= 8


def test_single_layers_match_keras(tmp_path: Path) -> None:
    wrong = []
    models = said("layers")
    for model in models:
        layer = model["keras"]["config"]["layers"][-1]
        found = disagreement(tmp_path, model)
        wrong += [(layer["class_name"], layer["config"], found)] if found else []
    assert wrong == []
    assert len(models) > 500


def test_layers_over_sequences_match_keras(tmp_path: Path) -> None:
    models = said("sequences")
    wrong = []
    for model in models:
        layer = model["keras"]["config"]["layers"][-1]
        found = disagreement(tmp_path, model)
        wrong += [(layer["class_name"], layer["config"], found)] if found else []
    assert wrong == []
    assert len(models) >= 50


def test_the_receptive_field_is_unknown_only_for_layers_that_run_per_frame(tmp_path: Path) -> None:
    incomplete = {
        model["keras"]["config"]["layers"][-1]["class_name"]
        for model in said("sequences")
        if not report(imported(tmp_path, model["keras"])).complete
    }
    assert incomplete == {"TimeDistributed"}


@pytest.mark.parametrize("name", ["towers", "nested", "siamese", "chain", "gated", "frozen"])
def test_shared_nested_and_joined_layers_match_keras(tmp_path: Path, name: str) -> None:
    model = said("graphs")[name]
    if name in ("towers", "siamese"):
        model["macs"] *= 2  # every layer with multiplications is called twice
    assert disagreement(tmp_path, model) == []


def test_a_layer_called_twice_costs_twice_and_counts_its_weights_once(tmp_path: Path) -> None:
    layers = report(imported(tmp_path, said("graphs")["towers"]["keras"])).layers
    convolutions = [layer for layer in layers if layer.kind == "conv"]
    assert [layer.params for layer in convolutions] == [3 * 3 * 3 * 8 + 8, 0]
    assert [layer.macs for layer in convolutions] == [14 * 14 * 8 * 27] * 2
    assert [layer.shares for layer in convolutions] == [None, "shared"]


def test_a_nested_model_is_expanded_at_each_call(tmp_path: Path) -> None:
    graph = imported(tmp_path, said("graphs")["siamese"]["keras"])
    assert [step.name for step in graph.steps if step.kind == "conv"] == [
        "body.first",
        "body.second",
        "body_2.first",
        "body_2.second",
    ]
    assert [step.share for step in graph.steps if step.kind == "conv"] == [None, None, "body.first", "body.second"]


# -- Keras 2, written by hand


KERAS_2 = {
    "class_name": "Functional",
    "config": {
        "name": "two",
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"batch_input_shape": [None, 32, 32, 3], "name": "image"},
                "name": "image",
                "inbound_nodes": [],
            },
            {
                "class_name": "Conv2D",
                "config": {"name": "stem", "filters": 8, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"},
                "name": "stem",
                "inbound_nodes": [[["image", 0, 0, {}]]],
            },
            {
                "class_name": "Concatenate",
                "config": {"name": "join", "axis": 3},
                "name": "join",
                "inbound_nodes": [[["stem", 0, 0, {}], ["pool", 0, 0, {}]]],
            },
            {
                "class_name": "MaxPooling2D",
                "config": {"name": "pool", "pool_size": [3, 3], "strides": [1, 1], "padding": "same"},
                "name": "pool",
                "inbound_nodes": [[["stem", 0, 0, {}]]],
            },
        ],
        "input_layers": [["image", 0, 0]],
        "output_layers": [["join", 0, 0]],
    },
    "keras_version": "2.15.0",
    "backend": "tensorflow",
}


def test_keras_2_layers_are_sorted_into_execution_order(tmp_path: Path) -> None:
    graph = imported(tmp_path, KERAS_2)
    assert [step.name for step in graph.steps] == ["stem", "pool", "join"]
    found = report(graph)
    assert found.totals.params == 3 * 3 * 3 * 8 + 8
    assert [str(shape) for shape in found.outputs().values()] == ["16×16×16"]


def test_a_sequential_of_keras_2_takes_its_input_from_its_first_layer(tmp_path: Path) -> None:
    layers = [
        {
            "class_name": "Conv2D",
            "config": {"name": "a", "batch_input_shape": [None, 8, 8, 1], "filters": 2, "kernel_size": 3},
        },
        {"class_name": "Flatten", "config": {"name": "b"}},
        {"class_name": "Dense", "config": {"name": "c", "units": 5, "activation": "softmax"}},
    ]
    for config in (layers, {"name": "s", "layers": layers}):
        graph = imported(tmp_path, {"class_name": "Sequential", "config": config})
        assert [step.kind for step in graph.steps] == ["conv", "flatten", "linear", "softmax"]
        assert report(graph).totals.params == 9 * 2 + 2 + 72 * 5 + 5


def test_channels_first_stays_channels_first(tmp_path: Path) -> None:
    model: Any = copy.deepcopy(KERAS_2)
    config = model["config"]
    config["layers"][0]["config"]["batch_input_shape"] = [None, 3, 32, 32]
    for layer in config["layers"][1:]:
        layer["config"]["data_format"] = "channels_first"
    config["layers"][2]["config"] = {"name": "join", "axis": 1}
    [output] = report(imported(tmp_path, model)).outputs().values()
    assert str(output) == "16×16×16"


# -- open sizes and invalid files


def test_an_open_size_can_be_given(tmp_path: Path) -> None:
    model: Any = copy.deepcopy(KERAS_2)
    model["config"]["layers"][0]["config"]["batch_input_shape"] = [None, None, None, 3]
    with pytest.raises(NotImported, match="'image' is not fully known: give --input 3,H,W"):
        imported(tmp_path, model)
    for inputs in ({None: (3, 64, 64)}, {"image": (3, 64, 64)}):
        [output] = report(imported(tmp_path, model, inputs=inputs)).outputs().values()
        assert str(output) == "16×32×32"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({None: (5, 64, 64)}, "--input has 5 channels, but the file's input has 3: give --input 3,64,64"),
        ({"image": (1, 8, 8)}, "--input image has 1 channel, but the file's input has 3: give --input image=3,8,8"),
        ({None: (64, 48, 3)}, "--input has 64 channels, but the file's input has 3: give --input 3,64,48"),
    ],
)
def test_an_input_with_other_channels_than_the_file_is_refused(
    tmp_path: Path, inputs: dict[str | None, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(NotImported, match=f"^{message}$"):
        imported(tmp_path, KERAS_2, inputs=inputs)


def test_the_number_of_features_is_fixed_but_a_sequence_of_integers_may_be_longer(tmp_path: Path) -> None:
    with pytest.raises(NotImported, match="has 20 features, but the file's input has 12: give --input 12"):
        imported(tmp_path, sequential(("Dense", {"units": 3}), shape=(12,)), inputs={None: (20,)})
    embedded = sequential(("Embedding", {"input_dim": 9, "output_dim": 4}), shape=(12,))
    [output] = report(imported(tmp_path, embedded, inputs={None: (20,)})).outputs().values()
    assert output.sizes == (4, 20)


def test_a_shape_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    model = said("MobileNet")["keras"]
    layer = next(layer for layer in model["config"]["layers"] if layer["class_name"] == "DepthwiseConv2D")
    layer["build_config"]["input_shape"][1] += 1
    with pytest.raises(NotImported, match="was built for"):
        imported(tmp_path, model)


def test_a_layer_whose_output_shape_is_unknown_is_named(tmp_path: Path) -> None:
    model: Any = copy.deepcopy(KERAS_2)
    model["config"]["layers"][3]["class_name"] = "Custom\x1b[31m"
    with pytest.raises(NotImported, match=r"unsupported layer 'pool' \(Custom\\x1b\[31m\) is not recorded .*Identity"):
        imported(tmp_path, model)


def test_a_layer_that_moves_the_channels_is_a_permute(tmp_path: Path) -> None:
    [model] = [
        model for model in said("layers") if model["keras"]["config"]["layers"][-1]["config"].get("dims") == [3, 1, 2]
    ]
    graph = imported(tmp_path, model["keras"])
    assert [(step.kind, step.arguments) for step in graph.steps] == [
        ("permute", {"order": ["width", "channels", "height"]})
    ]
    [output] = report(graph).outputs().values()
    assert channels_last(output.sizes) == model["output"]


def test_an_archive_is_read(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps(KERAS_2))
    assert len(read(str(file)).steps) == 3


def test_an_hdf5_file_is_read_without_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py = pytest.importorskip("h5py", reason="the package h5py is not installed")
    file = tmp_path / "model.h5"
    with h5py.File(file, "w") as stored:
        stored.attrs["model_config"] = json.dumps(KERAS_2)
        stored["weights"] = [1.0, 2.0]
    assert len(read(str(file)).steps) == 3
    monkeypatch.setattr("convcalc.convert.keras_config.MOST_BYTES", 100)
    with pytest.raises(NotImported, match="larger than"):
        read(str(file))


def test_an_hdf5_file_without_a_model_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the package h5py is not installed")
    file = tmp_path / "weights.h5"
    with h5py.File(file, "w") as stored:
        stored["weights"] = [1.0, 2.0]
    with pytest.raises(NotImported, match="contains weights but no model"):
        read(str(file))
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(NotImported, match="the Keras HDF5 file cannot be read"):
        read(str(file))


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(NotImported, match=r"pip install 'convcalc\[keras\]'"):
        read(str(tmp_path / "model.h5"))


def test_an_archive_that_unpacks_to_too_many_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convcalc.convert.keras_config.MOST_BYTES", 1_000_000)
    file = tmp_path / "model.keras"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 20_000_000)
    assert file.stat().st_size < 100_000
    with pytest.raises(NotImported, match="larger than"):
        read(str(file))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "invalid JSON at line 1, column 1"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"PK\x03\x04 and no more", "archive cannot be read: it is damaged"),
        (b"[" * 100_000, "not the JSON of a Keras model: nested too deep"),
        (b"\xff\xfe", "not UTF-8: byte 0xff at offset 0"),
        (b"{}", "not a Keras model"),
        (b'{"class_name": "Functional", "config": {}}', "malformed Keras model: the key 'layers' is missing"),
        (b'{"class_name": "Functional", "config": {"layers": 3}}', "a value is not of the type that Keras writes"),
        (b'{"class_name": NaN}', "NaN is not a number in JSON"),
        (b'{"class_name": -Infinity}', "not a Keras model"),
        (b'{"class_name": "Sequential", "config": {"layers": []}}', "the model has no layers"),
        (b'{"class_name": "Model", "config": {"layers": [], "input_layers": [["a",0,0]], "output_layers": []}}', "'a'"),
    ],
)
def test_a_file_that_is_not_a_model_is_refused_with_a_message(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(data)
    with pytest.raises(NotImported, match=message):
        read(str(file))


def test_a_cycle_is_refused(tmp_path: Path) -> None:
    model: Any = copy.deepcopy(KERAS_2)
    model["config"]["layers"][1]["inbound_nodes"] = [[["join", 0, 0, {}]]]
    with pytest.raises(NotImported, match="cycle"):
        imported(tmp_path, model)


WRONG: st.SearchStrategy[Any] = st.sampled_from(
    [True, False, None, "x", 1e999, -1, 0, [], {}, 10**30, 10**17, 0.5, [1, 2], [[1, 2], [3, 4]]]
)
JUNK = WRONG | st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


GRAPHS = [KERAS_2, *(model["keras"] for model in said("graphs").values())]
LAYERS = [model["keras"] for model in said("layers")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.data())
def test_any_content_is_either_imported_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    model = copy.deepcopy(data.draw(st.sampled_from(data.draw(st.sampled_from([GRAPHS, LAYERS])))))
    *way, last = data.draw(st.sampled_from(places(model)[1:]))
    parent: Any = model
    for step in way:
        parent = parent[step]
    parent[last] = data.draw(JUNK)
    try:
        graph = imported(tmp_path, model)
    except NotImported:
        return
    convcalc.load(io.StringIO(spec_text(graph)))


def sequential(*layers: tuple[str, dict[str, Any]], shape: tuple[int, ...] = (12, 10, 4)) -> Any:
    """A sequential model as Keras writes it: class and configuration of each layer."""
    listed = [("InputLayer", {"batch_shape": [None, *shape]}), *layers]
    items = [
        {"class_name": name, "config": {"name": f"layer{place}", **config}}
        for place, (name, config) in enumerate(listed)
    ]
    return {"class_name": "Sequential", "config": {"name": "model", "layers": items}}


@pytest.mark.parametrize(
    ("config", "params", "macs"),
    [
        ({"axis": -1, "rms_scaling": True}, 4, 0),
        ({"axis": [1, 2]}, 2 * 12 * 10, 0),
        ({"axis": [1, 2], "center": False}, 12 * 10, 0),
        ({"axis": -1, "scale": False}, 4, 0),
    ],
)
def test_a_norm_that_no_kind_expresses_has_its_params(
    tmp_path: Path, config: dict[str, Any], params: int, macs: int
) -> None:
    graph = imported(tmp_path, sequential(("LayerNormalization", config)))
    totals = report(graph).totals
    assert [step.kind for step in graph.steps] == ["opaque"]
    assert (totals.params, totals.macs) == (params, macs)
    assert totals.flops is not None


def test_a_layer_norm_over_all_axes_has_a_scale_per_value(tmp_path: Path) -> None:
    found = report(imported(tmp_path, sequential(("LayerNormalization", {"axis": [1, 2, 3]}))))
    assert found.totals.params == 2 * 12 * 10 * 4


def test_dense_applies_to_the_last_axis_even_with_channels_first(tmp_path: Path) -> None:
    conv = ("Conv2D", {"filters": 4, "kernel_size": [3, 3], "data_format": "channels_first"})
    with pytest.raises(NotImported, match="Dense with a last axis that is not the channels"):
        imported(tmp_path, sequential(conv, ("Dense", {"units": 7}), shape=(3, 12, 10)))


def test_augmentation_layers_are_ignored(tmp_path: Path) -> None:
    found = report(imported(tmp_path, sequential(("RandomFlip", {}), ("RandomZoom", {}), ("Dense", {"units": 7}))))
    assert (found.totals.params, found.totals.macs) == (4 * 7 + 7, 12 * 10 * 4 * 7)


@pytest.mark.parametrize(
    "layer", [("ReLU", {"max_value": 1.0}), ("Activation", {"activation": "exponential"}), ("UnitNormalization", {})]
)
def test_an_unsupported_layer_without_weights_is_opaque(tmp_path: Path, layer: tuple[str, dict[str, Any]]) -> None:
    graph = imported(tmp_path, sequential(layer, ("Dense", {"units": 7})))
    assert [step.kind for step in graph.steps] == ["opaque", "pointwise_conv"]
    assert graph.steps[0].arguments["output_shape"] == [4, 12, 10]
    assert len(graph.notes) == 1
    assert report(graph).totals.macs is None
