"""Darknet configurations: figures of published networks, the rules of each section, and malformed files.

`ELEMENTS` are what Darknet itself (github.com/AlexeyAB/darknet at 59596d78) stores for its own files: the bytes of the
weights that `darknet partial NAME.cfg` writes, without the header of 20 bytes, divided by 4. They are params plus
running statistics. The operations are published at pjreddie.com/darknet/yolo and pjreddie.com/darknet/imagenet.
"""

import re
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.analysis.report import Report
from convcalc.convert import from_darknet
from convcalc.convert.graph import Graph, NotImported, plain_spec
from convcalc.convert.text_files import MOST_BYTES
from convcalc.problems import InvalidSpec

NET = "[net]\nwidth=32\nheight=24\nchannels=3\n"


def imported(folder: Path, text: str, **options: Any) -> Graph:
    path = folder / "net.cfg"
    path.write_text(text)
    return from_darknet.read(str(path), **options)


def report(folder: Path, text: str) -> Report:
    return convcalc.summary(plain_spec(imported(folder, text)))


def convolution(filters: int, size: int, stride: int = 1, activation: str = "leaky", norm: int = 1) -> str:
    options = f"filters={filters}\nsize={size}\nstride={stride}\npad=1\nactivation={activation}"
    return f"[convolutional]\nbatch_normalize={norm}\n{options}\n"


def darknet53(size: int) -> str:
    """The backbone of Redmon and Farhadi 2018, table 1."""
    text = f"[net]\nwidth={size}\nheight={size}\nchannels=3\n" + convolution(32, 3)
    for filters, count in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        block = convolution(filters // 2, 1) + convolution(filters, 3) + "[shortcut]\nfrom=-3\nactivation=linear\n"
        text += convolution(filters, 3, 2) + count * block
    return text


def yolov3(size: int = 416) -> str:
    """YOLOv3 for the 80 classes of COCO: three heads of five convolutions and 255 outputs per position."""
    text = darknet53(size)
    detector = convolution(255, 1, activation="linear", norm=0) + "[yolo]\nmask=0,1,2\nclasses=80\n"
    for filters, skip in ((512, ""), (256, "61"), (128, "36")):
        if skip:
            text += f"[route]\nlayers=-4\n{convolution(filters, 1)}[upsample]\nstride=2\n[route]\nlayers=-1, {skip}\n"
        pairs = 3 * (convolution(filters, 1) + convolution(2 * filters, 3))
        text += pairs + detector
    return text


def yolov3_tiny() -> str:
    text = "[net]\nwidth=416\nheight=416\nchannels=3\n"
    for filters, stride in ((16, 2), (32, 2), (64, 2), (128, 2), (256, 2), (512, 1)):
        text += convolution(filters, 3) + f"[maxpool]\nsize=2\nstride={stride}\n"
    detector = convolution(255, 1, activation="linear", norm=0) + "[yolo]\n"
    text += convolution(1024, 3) + convolution(256, 1) + convolution(512, 3) + detector
    text += "[route]\nlayers = -4\n" + convolution(128, 1) + "[upsample]\nstride=2\n[route]\nlayers = -1, 8\n"
    return text + convolution(256, 3) + detector


def darknet53_classifier() -> str:
    end = "[avgpool]\n" + convolution(1000, 1, activation="linear", norm=0) + "[softmax]\ngroups=1\n"
    return darknet53(256) + end


@pytest.mark.parametrize(
    ("text", "elements", "params", "operations"),
    [
        (yolov3(), 62_001_757, 61_949_149, 65.86),
        (yolov3_tiny(), 8_858_734, 8_852_366, 5.56),
        (darknet53_classifier(), 41_645_640, 41_609_928, 18.57),
    ],
    ids=["yolov3", "yolov3-tiny", "darknet53"],
)
def test_a_published_network_has_its_params_and_operations(
    text: str, elements: int, params: int, operations: float, tmp_path: Path
) -> None:
    found = report(tmp_path, text)
    assert found.complete
    assert (found.totals.params, found.totals.params + found.totals.buffers) == (params, elements)
    assert found.totals.macs is not None
    assert round(2 * found.totals.macs / 1e9, 2) == operations


def test_the_outputs_are_what_the_detection_layers_read(tmp_path: Path) -> None:
    shapes = {str(shape) for shape in report(tmp_path, yolov3()).outputs().values()}
    assert shapes == {"255×13×13", "255×26×26", "255×52×52"}


@pytest.mark.parametrize(
    ("section", "kinds", "shape"),
    [
        ("[convolutional]\nfilters=8\nsize=3\nactivation=relu\n", ["conv", "relu"], "8×22×30"),
        ("[conv]\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=linear", ["conv"], "8×12×16"),
        ("[conv]\nfilters=8\nsize=3\npadding=2\nactivation=linear", ["conv"], "8×26×34"),
        ("[conv]\nfilters=8\nsize=3\npad=1\ndilation=2\nactivation=linear", ["conv"], "8×24×32"),
        ("[conv]\nfilters=6\nsize=3\npad=1\ngroups=3\nactivation=linear", ["depthwise_conv"], "6×24×32"),
        ("[conv]\nfilters=2\nsize=3\npad=1\nstride_x=2\nstride_y=1\nactivation=mish", ["conv", "mish"], "2×24×16"),
        ("[deconvolutional]\nfilters=4\nsize=2\nstride=2\nactivation=linear", ["conv_transpose"], "4×48×64"),
        ("[local]\nfilters=2\nsize=3\nstride=1\npad=1\nactivation=linear", ["locally_connected"], "2×24×32"),
        ("[maxpool]\nsize=2\nstride=2", ["maxpool"], "3×12×16"),
        ("[maxpool]\nsize=2\nstride=1", ["maxpool"], "3×24×32"),
        ("[maxpool]\nsize=5\nstride=1", ["maxpool"], "3×24×32"),
        ("[maxpool]\nsize=3\nstride=2\npadding=0", ["maxpool"], "3×11×15"),
        ("[local_avgpool]\nsize=3\nstride=1", ["avgpool"], "3×24×32"),
        ("[avgpool]", ["global_avgpool"], "3×1×1"),
        ("[connected]\noutput=5\nactivation=logistic", ["flatten", "linear", "sigmoid"], "5"),
        ("[upsample]\nstride=2", ["upsample"], "3×48×64"),
        ("[reorg]\nstride=2", ["pixel_unshuffle"], "12×12×16"),
        ("[crop]\ncrop_height=20\ncrop_width=21", ["crop"], "3×20×21"),
        ("[dropout]\nprobability=.3", ["dropout"], "3×24×32"),
        ("[normalization]\nsize=7", ["local_response_norm"], "3×24×32"),
        ("[batchnorm]", ["batchnorm"], "3×24×32"),
        ("[softmax]", ["softmax"], "3×24×32"),
        ("[activation]\nactivation=swish", ["silu"], "3×24×32"),
    ],
)
def test_a_section_becomes_its_layers(section: str, kinds: list[str], shape: str, tmp_path: Path) -> None:
    graph = imported(tmp_path, f"{NET}{section}\n")
    assert [step.kind for step in graph.steps] == kinds
    [output] = convcalc.summary(plain_spec(graph)).outputs().values()
    assert str(output) == shape


def test_a_pooling_of_an_odd_size_keeps_the_last_position(tmp_path: Path) -> None:
    """Darknet pads by size - 1 in total: 13 positions become 7 where PyTorch's pooling makes 6 of them."""
    net = NET.replace("32", "13").replace("24", "13")
    [output] = report(tmp_path, f"{net}[maxpool]\nsize=2\nstride=2\n").outputs().values()
    assert str(output) == "3×7×7"


def test_a_route_takes_one_part_of_the_channels(tmp_path: Path) -> None:
    text = (
        f"{NET}{convolution(8, 3)}[route]\nlayers=-1\ngroups=2\ngroup_id=1\n{convolution(4, 1)}[route]\nlayers=-1,-3\n"
    )
    graph = imported(tmp_path, text)
    [part] = [step for step in graph.steps if step.kind == "slice"]
    assert part.arguments == {"channels": [4, 8]}
    [output] = convcalc.summary(plain_spec(graph)).outputs().values()
    assert str(output) == "12×24×32"


def test_factors_per_channel_are_a_product(tmp_path: Path) -> None:
    gate = "[avgpool]\n" + convolution(8, 1, activation="logistic", norm=0)
    graph = imported(tmp_path, f"{NET}{convolution(8, 3)}{gate}[scale_channels]\nfrom=-3\n")
    assert graph.steps[-1].kind == "multiply"
    assert graph.steps[-1].reads == ("layer2.sigmoid", "layer0.leaky_relu")


@pytest.mark.parametrize(
    ("other", "additions", "complete"),
    [(convolution(16, 3), 8 * 24 * 32, True), (convolution(8, 3, 2), 8 * 12 * 16, False)],
)
def test_a_shortcut_between_other_shapes_adds_the_common_values(
    other: str, additions: int, complete: bool, tmp_path: Path
) -> None:
    found = report(tmp_path, f"{NET}{convolution(8, 3)}{other}[shortcut]\nfrom=-2\nactivation=linear\n")
    assert found.layers[-1].additions == additions
    assert found.complete == complete


def test_a_given_shape_replaces_the_one_in_the_file(tmp_path: Path) -> None:
    graph = imported(tmp_path, NET + convolution(8, 3), inputs={None: (3, 64, 64)})
    assert graph.inputs == {"data": (3, 64, 64)}
    with pytest.raises(NotImported, match="available: data"):
        imported(tmp_path, NET + convolution(8, 3), inputs={"x": (3, 64, 64)})
    with pytest.raises(NotImported, match="leave out the batch size"):
        imported(tmp_path, NET + convolution(8, 3), inputs={None: (1, 3, 64, 64)})


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("width=3\n", "1:1", "expected a section such as [net]"),
        ("[net]\n nonsense\n", "2:2", "expected a section"),
        (convolution(8, 3) * 2, "1:1", "the first section must be [net]"),
        (
            f"{NET}[convolutoinal]\n",
            "5:1",
            "the section [convolutoinal] is not supported (did you mean convolutional?)",
        ),
        (f"{NET}[gru]\n", "5:1", "the section [gru] is not supported"),
        (
            f"{NET}[conv]\nfilters = many # filters\n",
            "6:11",
            "filters must be an integer of at least 1 with at most 9 digits; got 'many'",
        ),
        (f"{NET}[conv]\nfilters=0\n", "6:9", "filters must be an integer of at least 1"),
        (f"{NET}[conv]\nfilters=\n", "6:1", "filters must be an integer of at least 1"),
        (f"{NET}[conv]\nfilters={'9' * 5000}\n", "6:9", "filters must be an integer"),
        (f"{NET}[conv]\nsize=99\n", "5:1", "[conv]: kernel of 99 does not fit"),
        (f"{NET}[conv]\nactivation=rulu\n", "6:12", "unsupported activation 'rulu' (did you mean relu?)"),
        (f"{NET}[conv]\nactivation=plse\n", "6:12", "unsupported activation 'plse' (supported: linear, leaky, relu"),
        (f"{NET}[conv]\nantialiasing=1\n", "6:14", "antialiasing=1 is not supported"),
        (f"{NET}[route]\nlayers=-1\n", "6:8", "layers refers to section -1, but there is no earlier one"),
        (f"{NET}[route]\n", "5:1", "[route] has no layers"),
        (f"{NET}[route]\nlayers=a\n", "6:8", "layers must be a list of integers"),
        (f"{NET}[dropout]\nprobability=x\n", "6:13", "probability must be a number"),
        (f"{NET}[crop]\ncrop_height=99\ncrop_width=9\n", "6:13", "[crop] is larger than its input 3×24×32"),
        (f"{NET}[batchnorm]\n[maxpool]\nsize=5\nstride=5\n[shortcut]\nfrom=-2\n", "10:6", "cannot add"),
    ],
)
def test_a_mistake_is_reported_at_its_line_and_column(text: str, place: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec) as caught:
        imported(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'net.cfg'}:{place}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no layers"),
        (f"{NET}[yolo]\n", "it has no layers between its input and its output"),
        ("[net]\n[batchnorm]\n", "states no width, height and channels"),
    ],
)
def test_a_file_without_layers_or_sizes_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(NotImported, match=re.escape(message)):
        imported(tmp_path, text)


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    padding = "#" * MOST_BYTES
    with pytest.raises(NotImported, match="larger than 4 MiB"):
        imported(tmp_path, f"{NET}{convolution(8, 3)}{padding}")
    assert imported(tmp_path, f"{NET}{convolution(8, 3)}{padding[:-1000]}").steps


def test_too_many_sections_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_darknet, "MOST_LAYERS", 10)
    assert imported(tmp_path, NET + "[batchnorm]\n" * 9).steps
    with pytest.raises(NotImported, match="more than 10 sections"):
        imported(tmp_path, NET + "[batchnorm]\n" * 10)


def test_a_progress_bar_follows_the_sections(tmp_path: Path) -> None:
    totals = []

    def follow(sections: Any, total: int) -> Any:
        totals.append(total)
        return sections

    imported(tmp_path, yolov3_tiny(), follow=follow)
    assert totals == [24]


def test_a_misspelt_option_is_an_error(tmp_path: Path) -> None:
    text = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfiltres=32\nsize=3\nactivation=relu\n"
    (tmp_path / "net.cfg").write_text(text, encoding="utf-8")
    with pytest.raises(convcalc.InvalidSpec) as caught:
        convcalc.load(tmp_path / "net.cfg")
    [problem] = caught.value.problems
    assert (problem.message, problem.hint) == ("unknown option filtres of [convolutional]", "did you mean filters?")
    assert problem.span
    assert (problem.span.line, problem.span.column) == (6, 9)
