"""The totals attributed to other tools, compared with real runs; explain/tools.py states the tools' versions."""

from __future__ import annotations

import gzip
import json
import warnings
from importlib import metadata
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.analysis.report import Report, analyse
from convcalc.convert.from_keras import read as read_keras
from convcalc.convert.graph import plain_spec
from convcalc.explain.conventions import list_cautions
from convcalc.explain.counters import Reconciled, reconcile_tools
from convcalc.explain.tools import COMPOSED, KERAS, TF_PROFILER, TOOLS
from convcalc.layers import KINDS
from tests.documented import printed
from tests.support.places import DATA, EXAMPLES
from tests.support.specs import load
from tests.support.torchvision_operators import define_missing_operators

# of the hand-written networks in tests/oracle/, for one sample: torchinfo, fvcore, ptflops, thop, FlopCounterMode
PRINTED = {
    "resnet50": (4_089_238_376, 4_111_512_576, 4_132_436_968, 4_133_742_592, 8_178_368_512),
    "mobilenet_v2": (300_809_384, 314_193_216, 320_362_728, 327_550_720, 601_548_544),
    "vgg16": (15_483_821_032, 15_470_289_408, 15_523_225_576, 15_470_314_496, 30_940_528_640),
    "densenet121": (2_834_246_312, 2_865_546_752, 2_899_943_400, 2_897_058_304, 5_668_323_328),
    "shufflenet_v2_x1_0": (144_925_172, 148_858_568, 152_487_920, 152_759_992, 289_815_984),
    "efficientnet_b0": (385_867_108, 401_659_392, 410_196_896, 415_145_024, 771_629_504),
    "dcgan_generator": (428_345_216, 104_873_984, 105_119_744, 428_834_816, 209_256_448),
    "m5": (1_902_563, 1_924_032, 2_033_635, 1_967_936, 3_760_512),
}
# and by mmengine, mmcv, calflops, DeepSpeed, Ultralytics
ALSO_PRINTED = {
    "resnet50": (4_111_512_576, 4_121_924_096, 8_211_108_352, 8_211_108_352, 8_267_485_184),
    "mobilenet_v2": (314_193_216, 320_299_008, 614_967_488, 614_967_488, 655_101_440),
    "vgg16": (15_470_289_408, 15_503_514_112, 30_973_778_432, 30_973_778_432, 30_940_628_992),
    "densenet121": (2_865_546_752, 2_882_719_488, 5_716_881_152, 5_716_881_152, 5_795_521_536),
    "shufflenet_v2_x1_0": (148_858_568, 150_647_656, 295_555_648, 295_555_648, 305_519_984),
    "efficientnet_b0": (401_659_392, 401_668_732, 793_641_400, 793_641_400, 830_290_048),
    "dcgan_generator": (104_873_984, 104_996_864, 209_625_088, 209_625_088, 210_239_488),
    "m5": (1_924_032, 1_989_760, 3_870_016, 3_870_016, 3_936_082),
}

UNEVEN: Any = {"upsample": {"scale_factor": [1.5, 2.6]}}  # which calflops cannot run
# kinds beyond the examples of the manual: other numbers of axes, other arguments
FURTHER: list[tuple[list[int], Any]] = [
    ([4, 9], {"conv": {"out_channels": 6, "kernel_size": 3, "stride": 2, "groups": 2}}),
    ([4, 9, 9], {"conv": {"out_channels": 6, "kernel_size": 4, "padding": "same"}}),
    ([4, 7, 7, 7], {"conv": {"out_channels": 6, "kernel_size": 3}}),
    ([4, 9], {"conv_transpose": {"out_channels": 6, "kernel_size": 3, "stride": 2, "groups": 2}}),
    ([4, 5, 5, 5], {"conv_transpose": {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1, "bias": False}}),
    ([4, 9, 9], {"separable_conv": {"out_channels": 6, "kernel_size": 3, "multiplier": 2}}),
    ([8], "batchnorm"),
    ([8, 6], "batchnorm"),
    ([8, 6, 6], {"batchnorm": {"affine": False}}),
    ([8, 4, 4, 4], "batchnorm"),
    ([8], {"layernorm": {"affine": False}}),
    ([8, 6, 6], "layernorm"),
    ([8, 6, 6], {"groupnorm": {"num_groups": 2, "affine": False}}),
    ([8, 6, 6], {"instancenorm": {"affine": True}}),
    ([8, 6], "local_response_norm"),
    ([8, 4, 4, 4], {"local_response_norm": {"size": 3}}),
    ([8, 6], {"maxpool": {"kernel_size": 2}}),
    ([8, 4, 4, 4], {"maxpool": {"kernel_size": 2}}),
    ([8, 6], {"avgpool": {"kernel_size": 2}}),
    ([8, 4, 4, 4], {"avgpool": {"kernel_size": 2}}),
    ([8, 7], {"lppool": {"kernel_size": 3, "stride": 2}}),
    ([8, 7, 5], {"adaptive_avgpool": {"output_size": [3, 2]}}),
    ([8, 7], {"adaptive_avgpool": {"output_size": 3}}),
    ([8, 7, 7, 7], {"adaptive_avgpool": {"output_size": 3}}),
    ([8, 6], "global_avgpool"),
    ([8, 6, 5], {"global_avgpool": {"keepdims": False}}),
    ([8, 6, 5], {"global_maxpool": {"keepdims": False}}),
    ([8, 6], {"upsample": {"scale_factor": 2, "mode": "linear"}}),
    ([8, 6, 6], {"upsample": {"scale_factor": 1.5}}),
    ([8, 6, 6], {"upsample": {"size": [9, 7], "mode": "bicubic"}}),
    ([8, 4, 4, 4], {"upsample": {"scale_factor": 2, "mode": "trilinear"}}),
    ([8, 6, 6], "prelu"),
    ([8, 6, 6], "softmax"),
    ([8, 6, 6], {"softmax": {"axes": "positions"}}),
    ([8, 6, 6], {"log_softmax": {"axes": "positions"}}),
    ([8, 7, 7], {"upsample": {"scale_factor": 1.5}}),
    ([8, 7, 7], UNEVEN),
    ([6, 9, 9], {"conv_transpose": {"out_channels": 6, "kernel_size": 3, "groups": 3, "stride": 2, "padding": 1}}),
    ([6, 9, 9], {"conv_transpose": {"out_channels": 12, "kernel_size": 3, "groups": 3, "dilation": 2}}),
    ([4, 5], {"conv_transpose": {"out_channels": 8, "kernel_size": 7, "groups": 2}}),
    ([4, 5, 5], {"conv_transpose": {"out_channels": 8, "kernel_size": 7, "groups": 4}}),
    ([4, 9], {"avgpool": {"kernel_size": 3, "stride": 2, "padding": 1}}),
    ([4, 8, 9], {"avgpool": {"kernel_size": [3, 2], "stride": [2, 3], "padding": [1, 0], "ceil_mode": True}}),
    ([4, 8, 8], {"avgpool": {"kernel_size": 3, "stride": 3, "ceil_mode": True}}),
    ([4, 8, 8], {"adaptive_avgpool": {"output_size": [3, 5]}}),
    ([4, 2, 3], {"adaptive_avgpool": {"output_size": [7, 7]}}),
]
TF_LAYERS: list[tuple[list[int], Any, int]] = [
    ([4, 17], {"conv": {"out_channels": 6, "kernel_size": 3, "dilation": 3}}, 1_794),
    ([4, 9, 11], {"conv": {"out_channels": 6, "kernel_size": 3, "dilation": 2, "padding": "same"}}, 52_434),
    ([4, 7, 7, 7], {"conv": {"out_channels": 6, "kernel_size": 3, "dilation": 2}}, 83_106),
    ([4, 9, 9], {"conv": {"out_channels": 6, "kernel_size": 3, "groups": 2}}, 294),
    ([4, 9, 11], {"depthwise_conv": {"kernel_size": 3, "dilation": 2, "padding": "same"}}, 9_036),
    ([4, 9, 11], {"separable_conv": {"out_channels": 6, "kernel_size": 3, "dilation": 2, "padding": "same"}}, 13_986),
    ([8, 6, 6], {"layernorm": {"axes": "all"}}, 2_596),
    ([8], "layernorm", 76),
    ([8, 6, 6], {"groupnorm": {"num_groups": 2}}, 1_760),
    ([8, 4, 4, 4], "batchnorm", 1_072),
    ([8, 6, 6], "softmax", 1_440),
    ([8, 6, 6], "silu", 576),
    ([8, 6, 6], "gelu", 1_152),
    ([8, 6, 6], "hardswish", 864),
    ([8, 6, 6], "mish", 288),
    ([8, 6, 6], "celu", 1_440),
    ([8, 6, 6], "glu", 144),
    ([8, 6, 6], {"prelu": {"num_parameters": 8}}, 872),
    *(
        ([8, 6, 6], kind, 0)
        for kind in [
            "relu",
            "relu6",
            "sigmoid",
            "tanh",
            "selu",
            "softplus",
            "softsign",
            "log_softmax",
            "elu",
            "leaky_relu",
        ]
    ),
    ([8, 4, 4, 4], {"upsample": {"scale_factor": 2}}, 3),
    ([8, 4, 4, 4], {"avgpool": {"kernel_size": 2}}, 0),
    ([8, 4, 4, 4], "global_avgpool", 512),
]
RUN = [tool for tool in TOOLS if tool is not TF_PROFILER]  # on PyTorch
MODULES = {"FlopCounterMode": "torch", "DeepSpeed": "deepspeed.profiling.flops_profiler", "Ultralytics": "thop"}
WITHOUT_MODULE = {"locally_connected", "blurpool", "max_unpool", "parameter", "tokens", "map", "opaque", *COMPOSED}


def example(name: str) -> Report:
    return analyse(convcalc.load(EXAMPLES / f"{name}.yaml"))


def keras_data(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / "keras" / f"{name}.json.gz").read_bytes()))


def of_keras(model: Any, folder: Path) -> int:
    """Return the total that the TF profiler is said to print for a Keras model."""
    file = folder / "model.json"
    file.write_text(json.dumps(model).replace("Infinity", "1e999"), encoding="utf-8")
    return of_tool(convcalc.summary(plain_spec(read_keras(str(file)))), "TF profiler").total


def of_tool(report: Report, tool: str) -> Reconciled:
    [found] = [each for each in reconcile_tools(report) if each.tool.name == tool]
    return found


# -- recorded output and actual output


@pytest.mark.parametrize("name", PRINTED)
def test_our_macs_and_the_terms_add_up_to_the_output_of_each_tool(name: str) -> None:
    found = reconcile_tools(example(name))
    assert tuple(each.total for each in found if each.tool in RUN) == PRINTED[name] + ALSO_PRINTED[name]
    assert {each.ours for each in found if each.tool is not KERAS} == {example(name).totals.macs}


def test_the_terms_of_resnet50_are_the_known_ones() -> None:
    """Batch norms: two values per channel, two operations per value; 1000 biases; 7 × 7 averages of 2048 channels."""
    report = example("resnet50")
    assert sorted(amount for _, amount in of_tool(report, "torchinfo").terms) == [1_000, 2 * 26_560]
    assert sorted(amount for _, amount in of_tool(report, "fvcore").terms) == [2048 * 49, 2 * 11_113_984]
    assert sorted(amount for _, amount in of_tool(report, "thop").terms) == [2048 * 50, 4 * 11_113_984]
    assert [amount for _, amount in of_tool(report, "FlopCounterMode").terms] == [4_089_184_256]


def test_counting_a_transposed_convolution_by_output_positions_multiplies_by_its_squared_stride() -> None:
    entry = {"conv_transpose": {"out_channels": 8, "kernel_size": 2, "stride": 2, "bias": False}}
    found = of_tool(analyse(load({"input": [4, 10, 10], "layers": [entry]})), "torchinfo")
    assert found.total == 4 * found.ours


def test_keras_counts_running_statistics_among_its_params() -> None:
    """Keras' ResNet50 has 53,120 non-trainable params; with the biases of its convolutions 25,636,712 in all."""
    found = of_tool(example("resnet50"), "Keras")
    biases = sum(layer.output_shape.channels for layer in example("resnet50").layers if layer.kind == "conv")
    assert [amount for _, amount in found.terms] == [53_120]
    assert found.total + biases == 25_636_712


def test_an_unknown_cost_is_omitted_and_reported() -> None:
    layers = ["relu", {"opaque": {"output_shape": [7], "params": 9}}]
    text = printed_text({"input": [4, 8, 8], "layers": layers})
    assert "opaque1: the cost is unknown and not included in any total" in text


def test_totals_are_stated_to_be_for_one_sample() -> None:
    entry = {"conv": {"out_channels": 8, "kernel_size": 3, "bias": False}}
    spec = {"input": [4, 10, 10], "batch": 5, "layers": [entry]}
    assert of_tool(analyse(load(spec)), "fvcore").total == 8 * 4 * 9 * 64
    assert "for one sample, not for the batch of 5" in printed_text(spec)


def test_padding_given_as_a_word_is_warned_about() -> None:
    entry = {"conv": {"out_channels": 8, "kernel_size": 3, "padding": "same", "bias": False}}
    macs = 8 * 4 * 9 * 100
    assert f'fvcore and mmengine print {macs:,} less if convolutions are written with padding="same"' in printed_text(
        {"input": [4, 10, 10], "layers": [entry]}
    )


def printed_text(spec: dict[str, Any]) -> str:
    from convcalc.render.explain_conventions import reconciliation_lines
    from convcalc.render.lines import plain_text

    return plain_text(reconciliation_lines(analyse(load(spec)), None))


def test_the_printed_table_adds_up() -> None:
    text = printed(["explain", "example:efficientnet_b0", "--conventions"])
    assert len(sums(text)) == len(TOOLS) + 1
    for parts, total in sums(text):
        assert sum(parts) == total


def sums(text: str) -> list[tuple[list[int], int]]:
    """The numbers of each tool on lines that begin with a sign, and its total."""
    found: list[tuple[list[int], int]] = []
    parts: list[int] = []
    for line in text.splitlines():
        sign, number = line[:3].strip(), line[3:].split()[:1]
        if line.startswith("  ") and number and number[0].replace(",", "").isdecimal():
            value = int(number[0].replace(",", ""))
            if sign == "=":
                found.append((parts, value))
                parts = []
            else:
                parts.append(-value if sign == "-" else value)
    return found


def test_json_and_markdown_agree() -> None:
    found = json.loads(printed(["explain", "example:resnet50", "--conventions", "-f", "json"]))
    assert found["schema"] == "convcalc/conventions/2"
    markdown = printed(["explain", "example:resnet50", "--conventions", "-f", "markdown"])
    for tool in found["tools"]:
        ours = tool.get("macs", tool.get("params"))
        assert ours + sum(term["count"] for term in tool["terms"]) == tool["total"]
        assert f"**{tool['total']:,}**" in markdown


@pytest.mark.parametrize("format", ["text", "markdown", "json"])
def test_the_page_names_every_tool_with_its_version_and_every_term(format: str) -> None:
    text = printed(["explain", "--conventions", "-f", format])
    for tool in TOOLS:
        assert tool.name in text
        assert tool.version in text
    if format == "json":
        found = {tool["name"]: tool["terms"] for tool in json.loads(text)["tools"]}
        assert found == {tool.name: [term.what for term in tool.terms] for tool in (*TOOLS, KERAS)}


def test_terms_refer_to_existing_kinds() -> None:
    assert {kind for tool in TOOLS for term in tool.terms for kind in term.kinds} <= set(KINDS)


# -- TensorFlow's profiler, run on the Keras models of tests/data/keras (see profile_models.py there)


def test_the_tf_profiler_counts_keras_applications_as_stated(tmp_path: Path) -> None:
    """Normalization becomes batchnorm; it costs 4 operations per channel less than a real one.

    Rescaling becomes scale and shift. If its offset is 0, it becomes scale alone, but TensorFlow adds the 0 to all
    values.
    """
    for name, printed_total in keras_data("profile")["applications"].items():
        model = keras_data(name)["keras"]
        layers = model["config"]["layers"]
        values = prod(layers[0]["config"]["batch_shape"][1:])
        normalised = sum(layer["class_name"] == "Normalization" for layer in layers)
        unmoved = sum(layer["class_name"] == "Rescaling" and not layer["config"]["offset"] for layer in layers)
        assert (name, of_keras(model, tmp_path)) == (name, printed_total + 3 * 4 * normalised - values * unmoved)


def test_the_tf_profiler_counts_keras_layers_as_stated(tmp_path: Path) -> None:
    layers = keras_data("layers")
    counted = keras_data("profile")["layers"]
    assert len(counted) > 70
    for index, due in counted.items():
        model = layers[int(index)]["keras"]
        assert (index, of_keras(model, tmp_path)) == (index, due)


@pytest.mark.parametrize(("shape", "entry", "due"), TF_LAYERS)
def test_the_tf_profiler_counts_further_layers_as_stated(shape: list[int], entry: Any, due: int) -> None:
    """TensorFlow 2.21.0 printed these totals for the Keras layers that correspond to these entries."""
    assert of_tool(analyse(load({"input": shape, "layers": [entry]})), "TF profiler").total == due


# -- running the real tools


def installed(tool: str) -> None:
    """Skip if a tool is not installed in the version whose rules are known."""
    if find_spec("torch"):
        define_missing_operators()  # some tools import torchvision if it is installed
    module = MODULES.get(tool, tool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip(
            module, reason=f"{tool} is not installed: pip install 'convcalc[counters,profilers]'", exc_type=ImportError
        )
    [known] = [each.version.removeprefix("torch ") for each in TOOLS if each.name == tool]
    if module == "thop":  # two packages have this module: the original, and that of Ultralytics
        known, version = ("2.2.3" if tool == "Ultralytics" else "0.1.1"), found.__version__
    elif module == "mmcv":  # of the package mmcv or mmcv-lite
        version = found.__version__
    else:
        version = metadata.version(module.partition(".")[0]).partition("+")[0].replace("-", ".post")
    if version != known:
        pytest.skip(f"{module} is {version}, and the rules are those of {known}")


def hand_written(name: str) -> Any:
    from tests.oracle import reference_models, reference_zoo

    return (reference_models.NETWORKS.get(name) or reference_zoo.MODELS[name])()


@pytest.mark.torch
@pytest.mark.parametrize("place", range(len(RUN)), ids=[tool.name for tool in RUN])
@pytest.mark.parametrize("name", PRINTED)
def test_tools_print_what_the_table_states(name: str, place: int) -> None:
    tool = RUN[place].name
    installed(tool)
    from tests.oracle.other_counters import counted

    module, shape = hand_written(name)
    assert counted(tool, module.eval(), tuple(shape)) == (PRINTED[name] + ALSO_PRINTED[name])[place]


@pytest.mark.torch
@pytest.mark.parametrize("tool", [tool.name for tool in RUN])
def test_tools_print_for_every_kind_what_its_terms_add_up_to(tool: str) -> None:
    installed(tool)
    from tests.oracle.layerwise import built
    from tests.oracle.other_counters import counted

    wrong = []
    for shape, entry in [*examples_of_the_manual(), *FURTHER]:
        if entry is UNEVEN and tool == "calflops":
            continue
        network = load(entry if isinstance(entry, str) and "\n" in entry else {"input": shape, "layers": [entry]})
        expected, found = of_tool(analyse(network), tool).total, counted(tool, *built(network))
        wrong += [] if found == expected else [(shape, entry, expected, found)]
    assert wrong == []


def examples_of_the_manual() -> list[tuple[list[int], str]]:
    """The manual's example of every kind for which PyTorch itself has a module, on a small input."""
    from convcalc.render.layers import parse_page

    found = []
    for kind in sorted(set(KINDS) - WITHOUT_MODULE - {"deform_conv"}):
        about = parse_page(KINDS[kind])
        channels, *spatial = json.loads(about.example_input)
        shape = [channels, *(min(size, 12) for size in spatial)]
        found.append((shape, f"input: {shape}\nlayers:\n  - {about.example}\n"))
    return found


@pytest.mark.torch
@pytest.mark.parametrize("tool", [tool.name for tool in RUN])
@pytest.mark.parametrize("name", ["unet", "unet_padded", "inception_v3", "convnext_tiny", "ds_cnn", "squeezenet1_1"])
def test_tools_print_what_the_terms_add_up_to_for_one_module_per_layer(name: str, tool: str) -> None:
    installed(tool)
    from tests.oracle.layerwise import built
    from tests.oracle.other_counters import counted

    network = convcalc.load(EXAMPLES / f"{name}.yaml", input=[1, 188, 188] if name == "unet" else None)
    assert counted(tool, *built(network)) == of_tool(analyse(network), tool).total


@pytest.mark.torch
def test_mmengine_reports_the_total_of_its_analyzer() -> None:
    installed("mmengine")
    from tests.oracle.layerwise import built
    from tests.oracle.other_counters import counted, mmengine_complexity

    module, shape = built(
        load({"input": [3, 8, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 3}}, "relu"]})
    )
    assert mmengine_complexity(module, shape) == counted("mmengine", module, shape) == 3_888


def test_what_calflops_cannot_run_is_warned_about() -> None:
    found = list_cautions(analyse(load({"input": [8, 7, 7], "layers": [UNEVEN]})))
    assert "upsample1: calflops cannot run upsampling by factors that differ between the axes" in found


@pytest.mark.torch
def test_fvcore_misses_convolutions_with_padding_given_as_a_word() -> None:
    installed("fvcore")
    from tests.oracle.layerwise import padded_in_words
    from tests.oracle.other_counters import counted

    assert counted("fvcore", padded_in_words(), (4, 10, 10)) == 0


@pytest.mark.torch
@pytest.mark.ultralytics
@pytest.mark.parametrize("family", ["v8/yolov8", "11/yolo11"])
def test_ultralytics_states_for_its_models_what_the_terms_add_up_to(family: str, tmp_path: Path) -> None:
    """For images of 640×640, the package extrapolates from smaller ones, to the same total."""
    installed("Ultralytics")
    from convcalc.convert.ultralytics.reader import read
    from tests.oracle import ultralytics_package as package

    tasks = package.load_package(tmp_path)
    [file] = [file for file in package.list_files(tasks) if str(file).endswith(f"{family}.yaml")]
    report = convcalc.summary(plain_spec(read(str(file), scale="n")))
    assert of_tool(report, "Ultralytics").total == package.count_flops(tasks, file, "n", 640)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["vit_tiny", "crnn"])
def test_the_flop_counter_counts_the_macs_of_attention_and_recurrent_layers_twice(name: str) -> None:
    from tests.oracle.reference_models import figures

    found = of_tool(analyse(convcalc.load(EXAMPLES / f"{name}.yaml")), "FlopCounterMode")
    assert found.total == 2 * figures(name)["macs"]


def test_kinds_that_are_written_in_several_ways_are_named() -> None:
    found = analyse(load({"input": [8, 9], "layers": [{"attention": 2}, {"lstm": 3}]}))
    assert "attention and lstm: the count depends on how the layer is written" in list_cautions(found)
