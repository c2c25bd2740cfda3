"""Receptive fields: published ones, those of random networks by sets of positions, and by PyTorch's gradients."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from tests.support.dependence import Entry, Plan, field, networks
from tests.support.places import EXAMPLES
from tests.support.specs import Spec, report

Field = dict[str, Any]


@cache
def example(name: str) -> dict[str, Any]:
    return report_of(name)


def report_of(name: str, **overrides: Any) -> dict[str, Any]:
    return convcalc.analyse(convcalc.load(EXAMPLES / f"{name}.yaml", **overrides)).to_dict()


def fields(found: dict[str, Any]) -> dict[str, Field]:
    return {layer["name"]: layer["receptive_field"] for layer in found["layers"]}


def last_field(spec: Spec) -> Field:
    """The field of the last layer of a network."""
    return list(fields(report(spec)).values())[-1]


def chain(*entries: Any, shape: tuple[int, ...] = (1, 64)) -> Field:
    return last_field({"input": list(shape), "layers": list(entries)})


def conv(kernel_size: int, **others: Any) -> Entry:
    return {"conv": {"out_channels": 1, "kernel_size": kernel_size, **others}}


def value(number: int | str) -> Fraction:
    return Fraction(number)


# -- published figures


class Known(NamedTuple):
    """A published field: size and jump on both axes, at a layer or by default at the last one that has positions."""

    size: int
    jump: int
    layer: str = ""


PUBLISHED = {
    "alexnet": Known(195, 32),
    "vgg16": Known(212, 32),
    "mobilenet_v1": Known(315, 32),
    "inception_v3": Known(1311, 32),
    "resnet18": Known(435, 32, "stage4.1.relu1"),
    "resnet34": Known(899, 32, "stage4.2.relu1"),
    "resnet50": Known(427, 32, "stage4.2.relu1"),  # with the stride in the 3×3 convolution
    "resnet101": Known(971, 32, "stage4.2.relu1"),
    "resnet152": Known(1451, 32, "stage4.2.relu1"),
    "deeplabv3_resnet50": Known(427, 8, "stage4.2.relu1"),
}  # alexnet to inception_v3: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks"
DERIVED = {  # by the recurrence of Araujo et al.: size += (k - 1) × jump, jump ×= s
    "densenet121": Known(11 + 6 * 8 + 4 + 12 * 16 + 8 + 24 * 32 + 16 + 16 * 64, 32),
    "googlenet": Known(11 + 8 + 8 + 2 * 16 + 16 + 5 * 32 + 16 + 2 * 64, 32),  # its "5×5" branches are 3×3
    "mobilenet_v2": Known(3 + 4 + 4 + 8 + 8 + 2 * 16 + 16 + 6 * 32 + 32 + 3 * 64, 32),
    "squeezenet1_1": Known(3 + 4 + 2 * 8 + 8 + 2 * 16 + 16 + 4 * 32, 16),
}
YOLO = {  # Darknet-53 has a field of 725; each neck adds two 3×3 convolutions, each detector one
    "large": Known(725 + 2 * 64 + 64, 32, "large.conv1"),
    "neck32": Known(725 + 2 * 64, 32, "neck32.sequence1.1.conv_bn2.leaky_relu1"),
}


@pytest.mark.parametrize(
    ("name", "known"),
    [*PUBLISHED.items(), *DERIVED.items(), *(("yolov3", known) for known in YOLO.values())],
    ids=lambda item: item if isinstance(item, str) else item.layer,
)
def test_fields_are_the_published_ones(name: str, known: Known) -> None:
    found = fields(example(name))[known.layer] if known.layer else example(name)["totals"]["receptive_field"]
    assert (found["size"], found["jump"]) == ([known.size] * 2, [known.jump] * 2)
    assert found["aligned"]
    assert "size_min" not in found


def test_pools_of_vgg16() -> None:
    pools = [found for name, found in fields(example("vgg16")).items() if "maxpool" in name]
    assert [pool["size"] for pool in pools] == [[size] * 2 for size in (6, 16, 44, 100, 212)]
    assert [pool["jump"] for pool in pools] == [[jump] * 2 for jump in (2, 4, 8, 16, 32)]


@pytest.mark.parametrize(("name", "size"), [("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)])
def test_residual_networks_with_the_stride_in_the_first_convolution(name: str, size: int) -> None:
    """As in the paper and as counted by Araujo et al.; in torchvision it is in the 3×3 convolution."""
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    moved = (
        text.replace("kernel_size: 3, stride: $stride", "kernel_size: 3")
        .replace("out_channels: $inner, kernel_size: 1,", "out_channels: $inner, kernel_size: 1, stride: $stride,")
        .replace(
            "out_channels: $channels, kernel_size: 1,", "out_channels: $channels, kernel_size: 1, stride: $stride,"
        )
    )
    assert moved.count("stride: $stride") == text.count("stride: $stride")
    assert report(moved)["totals"]["receptive_field"]["size"] == [size] * 2


def effective_padding(found: Field) -> list[Fraction]:
    """How far before the input the first output reads: (size - 1) / 2 - center."""
    pairs = zip(found["size"], found["center"], strict=True)
    return [Fraction(size - 1, 2) - value(center) for size, center in pairs]


def test_effective_padding_of_mobilenet_v1() -> None:
    """157 with equal padding on both sides; TensorFlow's `same` pads less before, 126 at 224 (Araujo et al.)."""
    text = (EXAMPLES / "mobilenet_v1.yaml").read_text(encoding="utf-8")
    same = report(text.replace("padding: 1", "padding: same"))["totals"]["receptive_field"]
    assert effective_padding(example("mobilenet_v1")["totals"]["receptive_field"]) == [157, 157]
    assert effective_padding(same) == [126, 126]
    assert same["size"] == [315, 315]


def test_effective_padding_of_networks_with_explicit_padding() -> None:
    """(size - 1) / 2 - center by hand: the sum of padding × jump."""
    assert effective_padding(example("alexnet")["totals"]["receptive_field"]) == [2 + 2 * 8 + 3 * 16] * 2
    assert effective_padding(example("vgg16")["totals"]["receptive_field"]) == [2 + 4 + 12 + 24 + 48] * 2


def test_a_padded_unet_has_a_field_of_140_at_its_bottleneck_and_up_to_204_at_its_output() -> None:
    found = fields(example("unet_padded"))
    bottleneck = found["double_conv5.sequence1.1.relu1"]
    assert (bottleneck["size"], bottleneck["jump"]) == ([140, 140], [16, 16])
    assert found["conv1"] == {
        "size": [204, 204], "size_min": [188, 188], "jump": [1, 1], "center": [0, 0], "aligned": True
    }  # fmt: skip


def test_the_fields_of_yolov3_detectors_differ_from_position_to_position() -> None:
    """Upsampled features lie between the positions of those they are concatenated with."""
    found = fields(example("yolov3"))
    assert (found["medium.conv1"]["size"], found["medium.conv1"]["jump"]) == ([949, 949], [16, 16])
    assert (found["small.conv1"]["size"], found["small.conv1"]["size_min"]) == ([981, 981], [949, 949])
    assert [found[name]["aligned"] for name in ("large.conv1", "medium.conv1", "small.conv1")] == [True, False, False]


# -- small networks by hand


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["relu"], {"size": [1], "jump": [1], "center": [0]}),
        ([conv(1, stride=2), conv(3)], {"size": [5], "jump": [2], "center": [2]}),
        ([conv(3, stride=2), conv(1)], {"size": [3], "jump": [2], "center": [1]}),
        ([conv(2)], {"size": [2], "jump": [1], "center": ["1/2"]}),
        ([conv(3, dilation=2), conv(3, dilation=4)], {"size": [13], "jump": [1], "center": [6]}),
        ([conv(3, padding=1)] * 3, {"size": [7], "jump": [1], "center": [0]}),
        ([conv(3, padding=[[2, 0]])], {"size": [3], "jump": [1], "center": [-1]}),
        ([{"pad": {"padding": [[2, 0]]}}, conv(3)], {"size": [3], "jump": [1], "center": [-1]}),
        ([{"crop": {"amount": [[3, 1]]}}], {"size": [1], "jump": [1], "center": [3]}),
        ([{"maxpool": {"kernel_size": 3, "stride": 2}}], {"size": [3], "jump": [2], "center": [1]}),
        ([{"upsample": {"scale_factor": 2}}], {"size": [1], "jump": ["1/2"], "center": ["-1/4"]}),
        (
            [{"upsample": {"scale_factor": 2}}, conv(4)],
            {"size": [3], "size_min": [2], "jump": ["1/2"], "center": ["1/2"]},
        ),
        ([{"upsample": {"scale_factor": 2, "mode": "linear"}}], {"size": [2], "jump": ["1/2"], "center": ["-1/4"]}),
        (
            [{"upsample": {"scale_factor": 3, "mode": "linear"}}],
            {"size": [2], "size_min": [1], "jump": ["1/3"], "center": ["-1/3"]},
        ),
        (
            [{"conv_transpose": {"out_channels": 1, "kernel_size": 4, "stride": 2}}],
            {"size": [2], "jump": ["1/2"], "center": ["-3/4"]},
        ),
        (
            [{"conv_transpose": {"out_channels": 1, "kernel_size": 3, "stride": 2}}],
            {"size": [2], "size_min": [1], "jump": ["1/2"], "center": ["-1/2"]},
        ),
        (
            [{"conv_transpose": {"out_channels": 1, "kernel_size": 2, "stride": 4}}],
            {"size": [1], "size_min": [0], "jump": ["1/4"], "center": ["-1/8"]},
        ),
        (
            [conv(2), {"pixel_shuffle": {"upscale_factor": 1}}, {"upsample": {"size": 126}}],
            {"size": [2], "jump": ["1/2"], "center": ["1/4"]},
        ),
        ([{"pixel_unshuffle": {"downscale_factor": 4}}], {"size": [4], "jump": [4], "center": ["3/2"]}),
        ([{"adaptive_avgpool": {"output_size": 8}}], {"size": [8], "jump": [8], "center": ["7/2"]}),
        (
            [{"adaptive_avgpool": {"output_size": 24}}],
            {"size": [4], "size_min": [3], "jump": ["8/3"], "center": ["5/6"]},
        ),
        (["blurpool"], {"size": [3], "jump": [2], "center": [0]}),
        ([{"max_unpool": {"kernel_size": 2}}], {"size": [1], "jump": ["1/2"], "center": ["-1/4"]}),
    ],
)
def test_fields_by_hand(entries: list[Any], expected: Field) -> None:
    assert chain(*entries) == {**expected, "aligned": True}


def test_two_branches_have_the_union_of_their_fields() -> None:
    """0 to 4 and -2 to 0 together span 7; their centres differ."""
    branches = {"branches": [[conv(5, padding=[[0, 4]])], [conv(3, padding=[[2, 0]])]], "merge": "add"}
    found = chain(branches)
    assert found["size"] == [7]
    assert not found["aligned"]


@pytest.mark.parametrize(
    ("one", "other", "aligned"),
    [
        ([conv(3, padding=1)], [conv(5, padding=2)], True),
        ([conv(3, padding=1)], [], True),
        ([conv(3, padding=[[2, 0]])], [], False),
        ([{"crop": {"amount": 1}}], [conv(3)], True),
        ([{"crop": {"amount": [[0, 2]]}}], [conv(3)], False),
        ([{"upsample": {"scale_factor": 0.5}}], [{"avgpool": {"kernel_size": 2}}], False),
        ([{"upsample": {"scale_factor": 0.5, "mode": "linear"}}], [{"avgpool": {"kernel_size": 2}}], True),
        ([conv(1, stride=2), {"upsample": {"scale_factor": 2}}], [], False),
        ([{"avgpool": {"kernel_size": 2}}, {"upsample": {"scale_factor": 2}}], [], True),
    ],
)
def test_misaligned_paths_stay_misaligned(one: list[Any], other: list[Any], aligned: bool) -> None:
    found = report({"input": [1, 64], "layers": [{"branches": [one, other], "merge": "concat"}, conv(3), "relu"]})
    merged = [field["aligned"] for name, field in fields(found).items() if not name.startswith("branches1.")]
    assert fields(found)["branches1.concat"]["aligned"] is aligned
    assert merged == [aligned] * 2


def test_paths_with_different_jumps_have_no_common_jump() -> None:
    """Position i depends on i and on 2 i - 5 to 2 i - 3: they coincide at 4. The report is not complete."""
    layers = [conv(3, stride=2, padding=1), {"pad": {"like": "input"}}, {"add": {"from": ["input", "previous"]}}]
    found = report({"input": [1, 8], "layers": layers})
    expected = {"size": [6], "size_min": [3], "jump": None, "center": None, "aligned": False}
    assert fields(found)["add1"] == expected
    assert not found["complete"]


@pytest.mark.parametrize(
    "entries",
    [
        ["global_avgpool"],
        [{"adaptive_avgpool": {"output_size": 1}}],
        [conv(3), "global_maxpool", "flatten"],
        ["flatten", {"linear": {"out_features": 4}}],
        [conv(3), {"global_avgpool": {"keepdims": False}}, {"linear": {"out_features": 4}}, "relu"],
        ["global_avgpool", {"upsample": {"size": 8}}, conv(3)],
        [{"branches": [["global_avgpool", "sigmoid"], []], "merge": "multiply"}, conv(3)],
    ],
)
def test_layers_that_cover_everything_are_reported_as_such(entries: list[Any]) -> None:
    assert chain(*entries) == {"size": [64], "global": True, "aligned": True}


def test_totals_have_the_last_field_that_has_positions() -> None:
    found = report(
        {"input": [1, 64], "layers": [conv(3), "global_avgpool", "flatten", {"linear": {"out_features": 2}}]}
    )
    assert found["totals"]["receptive_field"]["size"] == [3]


def test_the_axes_of_a_field_are_independent() -> None:
    entry = {"conv": {"out_channels": 1, "kernel_size": [3, 1, 5], "stride": [1, 2, 3], "padding": [1, 0, [2, 0]]}}
    found = chain(entry, entry, shape=(1, 16, 16, 16))
    assert found == {"size": [5, 1, 17], "jump": [1, 4, 9], "center": [0, 0, 0], "aligned": True}


# -- fields that are easily over- or underestimated


def test_a_dilated_kernel_over_outputs_that_read_nothing() -> None:
    """Of four outputs, two read an input and two nothing: taps 4 apart are all of the one or the other sort."""
    transposed = {"conv_transpose": {"out_channels": 1, "kernel_size": 2, "stride": 4}}
    found = chain(transposed, conv(2, dilation=4))
    assert (found["size"], found["size_min"]) == ([2], [0])


def test_a_dilated_kernel_over_a_bicubic_interpolation() -> None:
    """Every third output of ×3 coincides with an input and reads only that: three taps, 3 apart, read three inputs."""
    found = chain({"upsample": {"scale_factor": 3, "mode": "bicubic"}}, conv(3, dilation=3), shape=(1, 32, 32))
    assert (found["size"], found["size_min"]) == ([6, 6], [3, 3])


def test_positions_after_a_reshape_have_no_known_field() -> None:
    """Rows become channels: a window then reads inputs from everywhere."""
    found = report({"input": [4, 4, 4], "layers": ["flatten", {"reshape": {"shape": [1, 8, 8]}}, conv(3)]})
    assert [fields(found)[name]["size"] for name in ("reshape1", "conv1")] == [None, None]
    assert not found["complete"]


def test_one_reshaped_position_has_the_same_field_everywhere() -> None:
    """All sixteen positions depend on the eight inputs of the single position before, and so does any window."""
    layers = [{"conv": {"out_channels": 16, "kernel_size": 8}}, {"reshape": {"shape": [1, 4, 4]}}, conv(3)]
    found = last_field({"input": [1, 8, 8], "layers": layers})
    assert found["size"] in ([8, 8], None)


def test_a_position_repeated_along_an_axis_is_one_position() -> None:
    """Pooled over the height, then multiplied into every row: a row depends on all 8 rows, not 8 × 8."""
    layers = [{"adaptive_avgpool": {"output_size": [1, 8]}}, {"multiply": {"from": ["input", "previous"]}}]
    assert last_field({"input": [1, 8, 8], "layers": layers})["size"] in ([8, 1], None)


def test_a_window_over_a_repeated_position_has_no_larger_field() -> None:
    layers = [conv(8), {"add": {"from": ["input", "previous"]}}, conv(3)]
    assert last_field({"input": [1, 8, 8], "layers": layers})["size"] in ([8, 8], None)


def test_a_linear_layer_on_a_vector_covers_the_whole_vector() -> None:
    found = last_field({"input": [64], "layers": [{"linear": {"out_features": 4}}]})
    assert found.get("global")


# -- networks that would take long if everything were followed


PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)


def beside_every(stride: int) -> Entry:
    """Every second, third, … position next to all of them, padded to their number: each has its own jump."""
    return {"branches": [[conv(1, stride=stride), {"pad": {"like": "input"}}], []], "merge": "add"}


@pytest.mark.parametrize(
    ("length", "layers"),
    [
        (9_973, [{"upsample": {"size": 9_967}}, *[conv(9, padding=4)] * 40]),
        (9_973, [{"upsample": {"size": 9_967}}, conv(1_001)]),
        (9_973, [beside_every(2), *[conv(3, padding=1)] * 200]),
        (64, [beside_every(prime) for prime in PRIMES]),
    ],
    ids=["many positions of a period", "a large kernel over them", "paths with different jumps", "many such paths"],
)
def test_no_network_takes_the_analysis_more_than_seconds(length: int, layers: list[Any]) -> None:
    assert report({"input": [1, length], "layers": layers})["totals"]["layers"] >= len(layers)


# -- random networks compared with sets of positions


def differences(plan: Plan) -> list[tuple[str, Field, Field]]:
    """The layers whose field differs from that of their sets of positions."""
    found = fields(report(plan.spec()))
    expected = {tensor.name: field(tensor, plan.sizes) for tensor in plan.tensors[1:]}
    known = {name: item for name, item in expected.items() if None not in (item.get("center") or ())}
    return [(name, found[name], item) for name, item in known.items() if found[name] != item]


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_fields_match_sets_of_positions(axes: int, data: st.DataObject) -> None:
    plan = data.draw(networks(axes, in_order=True))
    assert differences(plan) == [], plan.spec()


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_fields_match_sets_of_positions_with_gaps(axes: int, data: st.DataObject) -> None:
    """With kernels smaller than the stride, dilated transposed convolutions and bicubic interpolation."""
    plan = data.draw(networks(axes, in_order=False))
    assert differences(plan) == [], plan.spec()


# -- examples compared with PyTorch's gradients


class Probe(NamedTuple):
    """A sufficiently large input, the axes that are run, and the layers to examine in addition to the last."""

    sizes: tuple[int, ...]
    axes: tuple[int, ...] = (0,)
    layers: tuple[str, ...] = ()


# Excluded: layers that cover the whole input (deeplabv3_resnet50 after stage4, and efficientnet_b0, mobilenet_v3_large,
# regnet_y_400mf with squeeze and excite), and dcgan_generator, whose input is a vector.
PROBES = {
    "alexnet": Probe((1568, 224)),
    "c3d": Probe((64, 512, 512), (1,)),
    "conv_autoencoder": Probe((64, 64), (0, 1), ("decode1.0.relu1",)),
    "convnext_tiny": Probe((6144, 64)),
    "deeplabv3_resnet50": Probe((1040, 520), (0,), ("stage4.2.relu1",)),
    "densenet121": Probe((6144, 64)),
    "ds_cnn": Probe((400, 200), (0, 1)),
    "espcn": Probe((48, 48), (0, 1)),
    "fcn_resnet50": Probe((1560, 64), (0,), ("stage4.2.relu1",)),
    "googlenet": Probe((1536, 64)),
    "inception_v3": Probe((4096, 299), (0,), ("reduction_a1.branches1.concat",)),
    "lenet5": Probe((32, 32), (0, 1)),
    "m5": Probe((150_000,)),
    "mobilenet_v1": Probe((1536, 64)),
    "mobilenet_v2": Probe((2048, 64)),
    "r3d_18": Probe((384, 64, 64)),
    "resnet18": Probe((1536, 64), (0,), ("stage2.1.relu1",)),
    "resnet152": Probe((4608, 64)),
    "shufflenet_v2_x1_0": Probe((2048, 64)),
    "squeezenet1_1": Probe((768, 64)),
    "unet": Probe((732, 732), (1,), ("up1.concat1", "up2.concat1")),
    "unet_padded": Probe((512, 512), (0, 1), ("up1.concat1", "up3.conv_transpose1")),
    "vgg16": Probe((800, 64)),
    "wavenet": Probe((8000,)),
    "yolov3": Probe((3328, 416), (0,), ("large.conv1", "medium.conv1", "neck16.concat1", "up2.concat1")),
}
POSITIONS = 16  # a multiple of every period


def probed(name: str, found: dict[str, Any]) -> list[str]:
    """The layers to examine: the named ones, and the last that has distinct positions."""
    asked = list(PROBES[name].layers)
    return asked if name == "deeplabv3_resnet50" else [*asked, last_placed(found)]


def last_placed(found: dict[str, Any]) -> str:
    placed = [layer for layer in found["layers"] if has_places(layer["receptive_field"])]
    name: str = [layer["name"] for layer in placed if len(layer["output_shape"]) > 1][-1]
    return name


def has_places(found: Field) -> bool:
    """Whether a field moves from position to position."""
    return not found.get("global") and any(found["jump"] or [1])


@pytest.mark.torch
@pytest.mark.parametrize("name", PROBES)
def test_fields_match_gradients(name: str) -> None:
    from tests.oracle.gradients import Projection

    probe = PROBES[name]
    found = report_of(name, input=[channels(name), *probe.sizes])
    projection = Projection(found, probe.axes)
    for layer in probed(name, found):
        [entry] = [entry for entry in found["layers"] if entry["name"] == layer]
        positions = interior([entry["output_shape"][1:][axis] for axis in probe.axes])
        spans = projection.spans(layer, positions)
        for place, axis in enumerate(probe.axes):
            span = [found[place] for found in spans]
            assert_spans(span, [at[place] for at in positions], entry["receptive_field"], axis, probe.sizes[axis])


def channels(name: str) -> int:
    shape: list[int] = next(iter(example(name)["inputs"].values()))
    return shape[0]


def interior(sizes: list[int]) -> list[tuple[int, ...]]:
    """As many positions as requested, around the middle and on a diagonal."""
    count = min([POSITIONS, *(size // 2 for size in sizes)])
    return [tuple((size - count) // 2 + step for size in sizes) for step in range(count)]


def assert_spans(spans: list[tuple[int, int]], at: list[int], field: Field, axis: int, size: int) -> None:
    """The largest, the smallest and the mean centre of the inputs on which the positions of a layer depend."""
    assert all(0 < low <= high < size - 1 for low, high in spans), "not an interior position"
    widths = [high - low + 1 for low, high in spans]
    assert (max(widths), min(widths)) == (field["size"][axis], (field.get("size_min") or field["size"])[axis])
    jump = value(field["jump"][axis])
    middles = [Fraction(low + high, 2) - place * jump for (low, high), place in zip(spans, at, strict=True)]
    assert sum(middles) / len(middles) == value(field["center"][axis])


def make_tcn(stacks: int, levels: int, kernel_size: int = 3) -> dict[str, Any]:
    """Return the separator of Conv-TasNet: stacks of dilated depthwise convolutions, whose skip outputs are added."""
    block = [
        {"pointwise_conv": {"out_channels": 2}},
        {
            "depthwise_conv": {
                "kernel_size": kernel_size,
                "dilation": "$(2**level)",
                "padding": f"$({kernel_size // 2} * 2**level)",
                "name": "dilated",
            }
        },
        {"pointwise_conv": {"out_channels": 3, "name": "skip"}},
        {"pointwise_conv": {"out_channels": 3, "from": "dilated"}},
        {"add": {"from": ["previous", "input"]}},
    ]
    stack = {"sequence": block, "repeat": {"level": levels}, "name": "stack"}
    return {
        "input": [3, 2000],
        "layers": [
            {"sequence": [stack], "repeat": {"number": stacks}, "name": "tcn"},
            {"add": {"from": "tcn.*.stack.*.skip", "name": "skips"}},
        ],
    }


def find_tcn_field(stacks: int, levels: int, kernel_size: int = 3) -> int:
    """Return how many inputs the sum of the skips depends on, from the gradient of its middle in PyTorch."""
    torch = pytest.importorskip("torch")
    signal: Any = torch.zeros(1, 1, 2000, dtype=torch.float64, requires_grad=True)
    state, skips = signal, torch.zeros(1, 1, 2000, dtype=torch.float64)
    for _ in range(stacks):
        for level in range(levels):
            dilation, weight = 2**level, torch.ones(1, 1, kernel_size, dtype=torch.float64)
            padding = kernel_size // 2 * dilation
            dilated = torch.nn.functional.conv1d(state, weight, padding=padding, dilation=dilation)
            skips, state = skips + dilated, state + dilated
    skips[0, 0, 1000].backward()
    read = signal.grad[0, 0].nonzero()[:, 0]
    return int(read.max() - read.min() + 1)


@pytest.mark.parametrize(("stacks", "levels", "kernel_size"), [(3, 7, 3), (2, 4, 3), (1, 8, 3), (2, 3, 5)])
def test_the_skips_of_a_tcn_cover_all_its_dilations(stacks: int, levels: int, kernel_size: int) -> None:
    """The size is 1 + stacks × (kernel_size - 1) × (2^levels - 1); the 763 of 3 stacks of 7 levels are counted so."""
    expected = 1 + stacks * (kernel_size - 1) * (2**levels - 1)
    assert find_tcn_field(stacks, levels, kernel_size) == expected
    assert last_field(make_tcn(stacks, levels, kernel_size))["size"] == [expected]


def test_conv_tasnet_has_a_field_of_1531_frames() -> None:
    """Three repeats of eight dilations 1 to 128 with kernels of 3, counted by brute force as well.

    The encoder has a stride of 8 samples at 8 kHz, so 1,531 frames of 1 ms, each of 16 samples, are 12,256 samples.
    """
    spec = make_tcn(3, 8)
    assert last_field(spec)["size"] == [find_tcn_field(3, 8, 3)] == [1531]
    network = convcalc.load(spec)
    assert len(network.nodes[-1].reads) == 24
    encoder = {"conv": {"out_channels": 3, "kernel_size": 16, "stride": 8}}
    assert last_field({"input": [1, 16008], "layers": [encoder, *spec["layers"]]})["size"] == [12256]
