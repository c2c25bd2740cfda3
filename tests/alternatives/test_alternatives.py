"""Alternatives to convolutions: the figures in the table match the rewritten spec and the savings stated in papers."""

import contextlib
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convcalc
from convcalc.alternatives.factorings import CannotChange
from convcalc.alternatives.rewriting import rewrite_text
from convcalc.alternatives.subjects import common_pattern, list_convolutions
from convcalc.alternatives.weighing import Alternative, build_options, list_options
from convcalc.analysis.report import Report, analyse
from convcalc.cli.main import run
from convcalc.metrics.figures import FIGURES
from convcalc.render import columns as layer_columns
from convcalc.render import compare
from convcalc.spec.document import Document
from convcalc.spec.files import decode_spec, read_file
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network
from tests.support.places import EXAMPLES

ZOO = ["alexnet", "conv_autoencoder", "convnext_tiny", "ds_cnn", "espcn", "inception_v3", "lenet5", "m5"]
ZOO += ["mobilenet_v3_large", "r3d_18", "resnet18", "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_0", "unet"]


def document_of(text: str) -> Document:
    return decode_spec(text.encode(), "net.yaml", True)


def every(document: Document, overrides: Overrides | None = None) -> tuple[Report, list[Alternative]]:
    """All applicable alternatives of a network."""
    overrides = overrides or Overrides()
    report = analyse(read_network(document, overrides))
    found, _ = list_options(list_convolutions(document, report.network), report.network)
    return report, build_options(document, overrides, report, found, None)[0]


def totals(report: Report) -> tuple[int | None, ...]:
    total = report.totals
    return (total.params, total.macs, total.flops, total.weight_memory, total.activation_memory, total.peak_memory)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What the command reports, by alternative."""
    assert run(["alternatives", *arguments, "-f", "json", "--limit", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    return {one["alternative"]: one for one in found["alternatives"]}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["alternatives", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def net_of(shape: list[int], **arguments: Any) -> str:
    return json.dumps({"input": shape, "layers": [{"conv": arguments}]})


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "net.yaml"


# -- every rewritten spec


@pytest.mark.parametrize("name", ZOO)
def test_the_rewritten_spec_costs_what_the_table_promised(name: str) -> None:
    document = read_file(str(EXAMPLES / f"{name}.yaml"))
    report, alternatives = every(document)
    assert alternatives
    for alternative in alternatives:
        option, text = alternative.option, rewrite_text(document, Overrides(), alternative.spec)
        written = convcalc.summary(io.StringIO(text))
        assert totals(written) == totals(alternative.report), option.factoring
        # the savings of the layers add up to the savings of the network
        for metric in ("params", "macs", "flops"):
            saved = getattr(report.totals, metric) - getattr(written.totals, metric)
            assert saved == option.saving(metric), option.factoring
        assert report.totals.weight_memory - written.totals.weight_memory == option.saving("weight_memory")
        assert [str(shape) for shape in written.outputs().values()] == [str(s) for s in report.outputs().values()]


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "mobilenet_v3_large", "unet"])
def test_comments_and_all_other_lines_are_preserved(name: str) -> None:
    document = read_file(str(EXAMPLES / f"{name}.yaml"))
    before = (document.text or "").splitlines()
    for alternative in every(document)[1]:
        after = rewrite_text(document, Overrides(), alternative.spec).splitlines()
        line = next(number for number, text in enumerate(before) if number >= len(after) or text != after[number])
        rest = before[line + 1 :]
        assert after[: len(before) - len(rest) - 1] == before[:line]
        assert after[len(after) - len(rest) :] == rest


def test_overrides_also_apply_to_the_alternatives() -> None:
    document = read_file(str(EXAMPLES / "resnet18.yaml"))
    overrides = Overrides(inputs={None: [3, 96, 96]}, batch=4, dtype="int8")
    report, alternatives = every(document, overrides)
    for alternative in alternatives:
        text = rewrite_text(document, overrides, alternative.spec)
        written = convcalc.summary(io.StringIO(text), input=(3, 96, 96), batch=4, dtype="int8")
        assert totals(written) == totals(alternative.report)
        assert report.totals.macs is not None
        assert written.totals.macs == report.totals.macs - alternative.option.saving("macs")


# -- ranking by a figure


@pytest.mark.parametrize("name", [*FIGURES, *FIGURES.values()])
def test_alternatives_are_ranked_by_any_figure_of_a_report(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    figure = name if name in FIGURES else next(known for known, header in FIGURES.items() if header == name)
    listed = ["alternatives", "example:m5", "--limit", "0", "-f", "json"]
    assert run(listed) == 0
    every = json.loads(capsys.readouterr().out)
    assert run([*listed, "--by", name]) == 0
    found = json.loads(capsys.readouterr().out)
    before = every["network"][figure]
    lower = [one for one in every["alternatives"] if one["network"][figure] < before]
    assert found["by"] == figure
    assert sorted(map(json.dumps, found["alternatives"])) == sorted(map(json.dumps, lower))
    after = [one["network"][figure] for one in found["alternatives"]]
    assert after == sorted(after)
    assert lower or figure in ("layers", "buffers", "activation_memory", "peak_memory", "receptive_field")


def test_a_bottleneck_lowers_the_peak(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Input and output have 8192 bytes each; in between, only a quarter of them is live next to one of the two."""
    net.write_text(net_of([8, 16, 16], out_channels=8, kernel_size=3, padding=1), encoding="utf-8")
    found = asked(capsys, "net.yaml", "--by", "peak")
    assert list(found) == ["bottleneck"]
    assert found["bottleneck"]["network"]["peak_memory"] == 8192 + 8192 // 4


def test_the_figures_are_those_of_a_report() -> None:
    """Each has the header of the tables that show it, and the totals in JSON have no others."""
    for columns in (layer_columns.EVERY, compare.EVERY):
        assert {column.name: column.title for column in columns if column.name in FIGURES}.items() <= FIGURES.items()
    totals = convcalc.summary(EXAMPLES / "m5.yaml").to_dict()["totals"]
    assert FIGURES.keys() == totals.keys() - {"input_memory", "peak_at"}


def test_the_figure_of_the_ranking_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for name, title in FIGURES.items():
        assert run(["alternatives", "example:conv_autoencoder", "--by", name, "--limit", "2"]) == 0
        out = capsys.readouterr().out
        assert f"  {title}" in out or f"all {title}" in out or f"no alternative lowers {title}\n" in out


def test_the_first_of_many_alternatives_by_a_figure_of_the_whole_network(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["alternatives", "example:alexnet", "--by", "training", "-f", "json"]
    assert run([*command, "--limit", "0"]) == 0
    every = json.loads(capsys.readouterr().out)
    assert run([*command, "--limit", "3"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["alternatives"] == every["alternatives"][:3]
    assert (first["more"], every["more"]) == (len(every["alternatives"]) - 3, 0)


def test_a_figure_that_does_not_exist_or_is_unknown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alternatives", "example:m5", "--by", "Peak Memory"]) == 0
    capsys.readouterr()
    assert "did you mean peak_memory?" in refused(capsys, "example:m5", "--by", "peek_memory")
    assert "available: layers, params, " in refused(capsys, "example:m5", "--by", "price")
    said = refused(capsys, "example:ds_cnn", "--by", "training")
    assert said == "convcalc: --by: training_memory is unknown for this network\n"


# -- published savings


def ratio(capsys: pytest.CaptureFixture[str], net: Path, text: str, name: str, figure: str = "macs") -> Fraction:
    net.write_text(text, encoding="utf-8")
    found = asked(capsys, "net.yaml")[name]
    return Fraction(found["after"][figure], found["before"][figure])


@pytest.mark.parametrize(("channels", "kernel"), [(64, 3), (128, 5), (32, 7)])
def test_separable_costs_one_over_n_and_one_over_k_squared(
    channels: int, kernel: int, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = net_of([16, 20, 20], out_channels=channels, kernel_size=kernel, bias=False)
    assert ratio(capsys, net, text, "separable") == Fraction(1, channels) + Fraction(1, kernel**2)
    assert ratio(capsys, net, text, "separable", "params") == Fraction(1, channels) + Fraction(1, kernel**2)


@pytest.mark.parametrize(
    ("kernel", "name", "expected"),
    [
        (5, "stacked", Fraction(18, 25)),  # Simonyan and Zisserman 2015
        (7, "stacked", Fraction(27, 49)),
        (5, "asymmetric", Fraction(10, 25)),  # Szegedy et al. 2016
        (3, "asymmetric", Fraction(6, 9)),
        (5, "dilated2", Fraction(9, 25)),
        (7, "dilated2", Fraction(16, 49)),
        (7, "dilated3", Fraction(9, 49)),
        (3, "grouped8", Fraction(1, 8)),
        (3, "bottleneck", Fraction(8 * 32 * 2 + 64 * 9, 9 * 32 * 32)),  # 32 → 8 → 8 → 32
    ],
)
def test_a_channel_pair_has_the_weights_of_the_paper(
    kernel: int, name: str, expected: Fraction, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = net_of([32, 20, 20], out_channels=32, kernel_size=kernel, padding=kernel // 2, bias=False)
    assert ratio(capsys, net, text, name, "params") == expected
    assert ratio(capsys, net, text, name) == expected


def test_edge_detection_stores_what_the_book_states(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goodfellow, Bengio and Courville 2016, 9.2: an image of 320 × 280, a kernel of two elements.

    The book counts 320 × 280 × 319 × 280 entries of the matrix, "over eight billion".
    """
    net.write_text(net_of([1, 280, 320], out_channels=1, kernel_size=[1, 2], bias=False), encoding="utf-8")
    found = asked(capsys, "net.yaml", "conv1")
    assert found["unshared"]["before"]["params"] == 2
    assert found["unshared"]["after"]["params"] == 178_640
    assert found["dense"]["after"]["params"] == 320 * 280 * 319 * 280 > 8 * 10**9
    assert found["unshared"]["after"]["macs"] == found["unshared"]["before"]["macs"]
    assert found["unshared"]["receptive_field"] == {"same": True, **convcalc_field(found["unshared"])}
    assert found["dense"]["output_shape"] == {"same": True, "sizes": [1, 280, 319]}
    assert not found["dense"]["receptive_field"]["same"]


def convcalc_field(found: dict[str, Any]) -> dict[str, Any]:
    """A field of two positions on the second axis."""
    assert found["receptive_field"]["size"] == [1, 2]
    return {"size": [1, 2], "jump": [1, 1], "center": [0, "1/2"], "aligned": True}


# -- output shape and receptive field, by sliding windows


def per_axis(value: Any, axis: int) -> Any:
    return value[axis] if isinstance(value, list) else value


def seen(entries: list[dict[str, Any]], size: int, axis: int) -> list[tuple[int, int]]:
    """The first and the last input on which each position of an axis depends, passed through the windows one by one."""
    found = [{place} for place in range(size)]
    for entry in entries:
        [(_, arguments)] = entry.items()
        kernel = per_axis(arguments.get("kernel_size", 1), axis)
        stride, dilation = (per_axis(arguments.get(name, 1), axis) for name in ("stride", "dilation"))
        padding = per_axis(arguments.get("padding", 0), axis)
        before, after = padding if isinstance(padding, list) else (padding, padding)
        # padding around the input, numbered as if the input continued
        start, stop = min(min(places) for places in found), max(max(places) for places in found)
        step = min(found[1]) - min(found[0]) if len(found) > 1 else 1
        padded = [{start - step * (before - i)} for i in range(before)] + found
        padded += [{stop + step * (i + 1)} for i in range(after)]
        count = (len(padded) - dilation * (kernel - 1) - 1) // stride + 1
        taps = [[position * stride + dilation * tap for tap in range(kernel)] for position in range(count)]
        found = [set().union(*(padded[place] for place in places)) for places in taps]
    return [(min(places), max(places)) for places in found]


@st.composite
def written_convolutions(draw: st.DrawFn) -> tuple[list[int], dict[str, Any]]:
    axes = draw(st.integers(1, 3))

    def sizes(least: int, most: int) -> Any:
        if draw(st.booleans()):
            return draw(st.integers(least, most))
        return [draw(st.integers(least, most)) for _ in range(axes)]

    padding: Any = sizes(0, 4)
    if draw(st.booleans()):
        padding = [[draw(st.integers(0, 4)), draw(st.integers(0, 4))] for _ in range(axes)]
    arguments = {
        "out_channels": draw(st.sampled_from([4, 6, 8])),
        "kernel_size": draw(st.sampled_from([3, 5, 7, 9])) if draw(st.booleans()) else sizes(1, 7),
        "stride": sizes(1, 3),
        "dilation": sizes(1, 2),
        "padding": padding if axes > 1 or isinstance(padding, int) or isinstance(padding[0], list) else padding[0],
    }
    return [4, *(draw(st.integers(19, 24)) for _ in range(axes))], arguments


@given(written_convolutions())
def test_shape_and_field_match_sliding_windows(drawn: tuple[list[int], dict[str, Any]]) -> None:
    shape, arguments = drawn
    document = document_of(net_of(shape, **arguments))
    original = [{"conv": arguments}]
    for alternative in every(document)[1]:
        name = alternative.option.factoring
        text = rewrite_text(document, Overrides(), alternative.spec)
        written = convcalc.summary(io.StringIO(text))
        assert totals(written) == totals(alternative.report)
        if name == "dense":
            assert (alternative.same_shape, alternative.same_field) == (True, False)
            continue
        entries = [{word: arguments} for word, arguments in alternative.option.entries]
        for axis, size in enumerate(shape[1:]):
            # the input is padded widely enough to hide the border, where zeros would replace inputs
            assert len(seen(entries, size, axis)) == len(seen(original, size, axis)), name
            assert widths(entries, axis) == widths(original, axis), name
        assert (alternative.same_shape, alternative.same_field) == (True, True), name


def widths(entries: list[dict[str, Any]], axis: int) -> list[tuple[int, int]]:
    """The widths that positions of a long axis read, without the border."""
    return seen(entries, 120, axis)[20:30]


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [9, 10, 11, 12])
def test_same_padding_keeps_the_shape(size: int, stride: int) -> None:
    document = document_of(net_of([4, size, size], out_channels=4, kernel_size=5, stride=stride, padding="same"))
    report, alternatives = every(document)
    assert {"stacked", "asymmetric", "separable", "dilated2"} <= {one.option.factoring for one in alternatives}
    [before] = report.layers
    for one in alternatives:
        assert one.same_shape
        assert one.same_field == (one.after.receptive_field == before.receptive_field)


def test_causal_padding_stays_causal() -> None:
    report, alternatives = every(document_of(net_of([4, 40], out_channels=4, kernel_size=7, padding="causal")))
    exact = {one.option.factoring for one in alternatives if one.same_shape and one.same_field}
    assert {"stacked", "separable", "bottleneck", "dilated3", "grouped2"} <= exact
    assert report.layers[0].receptive_field.size == (7,)


def test_the_padding_mode_stays_the_same() -> None:
    net = net_of([4, 40, 40], out_channels=4, kernel_size=7, padding=3, padding_mode="reflect")
    _, alternatives = every(document_of(net))
    for factoring in ("stacked", "separable", "bottleneck", "asymmetric", "unshared", "dilated3", "grouped2"):
        [one] = [one for one in alternatives if one.option.factoring == factoring]
        modes = [arguments.get("padding_mode") for kind, arguments in one.option.entries if kind != "pointwise_conv"]
        assert set(modes) == {"reflect"}


# -- where an entry is, and what replaces it


def applied(net: Path, text: str, apply: str) -> str:
    """Apply an alternative by the command; the result must be a valid spec of the promised network."""
    net.write_text(text, encoding="utf-8")
    with contextlib.redirect_stderr(io.StringIO()):
        assert run(["alternatives", "net.yaml", "--apply", apply, "-o", "out.yaml"]) == 0
    assert run(["check", "out.yaml", "--isolated", "--fail-on", "error", "-o", "checked.txt"]) == 0
    return (net.parent / "out.yaml").read_text(encoding="utf-8")


OPTIONS = """\
params: {width: 8}
input: [4, 16, 16]  # channels first
layers:
  - conv: {out_channels: $width, kernel_size: 5, padding: 2, name: stem}
  - relu
  # the body
  - conv:
      out_channels: $width
      kernel_size: 5   # wide
      padding: 2
      from: stem
      repeat: 2
      when: $(width > 4)
      frozen: true
      name: body
  - add: {from: [body.0, stem]}
  - conv: {out_channels: 2, kernel_size: 1}
outputs: [add1, body]
"""


def test_options_stay_with_the_replacement_of_an_entry(net: Path) -> None:
    text = applied(net, OPTIONS, "stacked:body")
    layers = {layer["name"]: layer for layer in convcalc.summary(io.StringIO(text)).to_dict()["layers"]}
    assert layers["body.0.conv1"]["from"] == ["stem"]
    assert layers["body.1.conv1"]["from"] == ["body.0.conv2"]
    assert layers["add1"]["from"] == ["body.0.conv2", "stem"]
    assert layers["body.1.conv2"]["trainable_params"] == 0
    assert "# wide" in text
    assert "input: [4, 16, 16]  # channels first\n" in text
    assert text.count("out_channels: $width") == 3


def test_expressions_are_preserved(net: Path) -> None:
    text = applied(net, OPTIONS, "bottleneck:stem")
    assert "- pointwise_conv: {out_channels: $(width // 4)}" in text
    assert convcalc.summary(io.StringIO(text), params={"width": 16}).totals.params > 0


def test_automatic_names_still_refer_to_the_same_layers(net: Path) -> None:
    text = (
        "input: [4, 16, 16]\nlayers:\n"
        "  - conv: {out_channels: 4, kernel_size: 5, padding: 2}\n"
        "  - conv: {out_channels: 4, kernel_size: 3, padding: 1}\n"
        "  - conv: {out_channels: 4, kernel_size: 1}\n"
        "  - add: {from: [conv1, conv2, conv3]}\n"
    )
    written = applied(net, text, "stacked:conv1")
    report = convcalc.summary(io.StringIO(written)).to_dict()
    assert report["layers"][-1]["from"] == ["conv1.conv2", "conv2", "conv3"]
    # no name is written unless something refers to it
    assert "name" not in applied(net, text.replace("  - add: {from: [conv1, conv2, conv3]}\n", ""), "stacked:conv1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[conv: {out_channels: 4, kernel_size: 5}, relu]", "[conv: {out_channels: 4, kernel_size: 3}, conv: {"),
        (
            "[conv: {out_channels: 4, kernel_size: 5, name: a}, relu]",
            "[{sequence: [conv: {out_channels: 4, kernel_size: 3}, conv: {",
        ),
        ("\n  - {conv: {out_channels: 4, kernel_size: 5}}", "\n  - conv: {out_channels: 4, kernel_size: 3}\n  - conv"),
        ("\n- conv:\n    out_channels: 4\n    kernel_size: 5\n- relu", "- conv: {out_channels: 4, kernel_size: 3}\n- "),
    ],
)
def test_an_entry_is_changed_in_any_layout(text: str, expected: str, net: Path) -> None:
    assert expected in applied(net, f"input: [3, 16, 16]\nlayers: {text}\n", "stacked:*")


@pytest.mark.parametrize(
    ("text", "apply", "message"),
    [
        (
            "blocks:\n  b:\n    layers:\n      - conv: {out_channels: 3, kernel_size: 5, padding: 2}\n"
            "layers:\n  - b\n  - b\n",
            "stacked:b1",
            "b1.conv1 is defined once in block 'b' and used 2 times; a change affects all of them, also b2.conv1",
        ),
        (
            "layers:\n  - conv: {out_channels: 3, kernel_size: 3, padding: 1, name: a}\n"
            "  - conv: {out_channels: 3, kernel_size: 3, padding: 1, share: a}\n",
            "separable:a",
            "conv2 also uses its weights (share)",
        ),
        (
            "layers:\n  - conv: {out_channels: 3, kernel_size: 3, padding: 1, name: a}\n"
            "  - conv: {out_channels: 3, kernel_size: 3, padding: 1, share: a}\n",
            "separable:conv2",
            "it uses the weights of another layer (share)",
        ),
        (
            "params: {op: conv}\nlayers:\n  - $op: {out_channels: 3, kernel_size: 3}\n",
            "separable:conv1",
            "its kind is set by the parameter $op",
        ),
        (
            "x-a: &a {conv: {out_channels: 3, kernel_size: 3, padding: 1}}\nlayers:\n  - *a\n  - *a\n",
            "separable:conv1",
            "an alias also uses it",
        ),
        (
            "layers:\n  - conv: {out_channels: 3, kernel_size: 3}\n",
            "stacked:conv1",
            "stacked:conv1 does not apply to this layer; available: sep",
        ),
        ("layers:\n  - conv: {out_channels: 3, kernel_size: 3}\n", "seperable:conv1", "did you mean separable?"),
        ("layers:\n  - conv: {out_channels: 3, kernel_size: 3}\n", "separable", "--apply must be NAME:LAYER"),
        ("layers:\n  - conv: {out_channels: 3, kernel_size: 3}\n", "separable:con1", "did you mean conv1?"),
        (
            "layers:\n  - conv: {out_channels: 3, kernel_size: 3}\n  - relu\n",
            "separable:relu1",
            "relu1 is relu; only conv",
        ),
        ("layers:\n  - conv: {out_channels: 3, kernel_size: 3}\n", "separable:\x1b[2J", "\\x1b[2J"),
    ],
)
def test_an_alternative_that_cannot_be_applied_is_refused_with_the_reason(
    text: str, apply: str, message: str, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net.write_text("input: [3, 16, 16]\n" + text, encoding="utf-8")
    said = refused(capsys, "net.yaml", "--apply", apply)
    assert message in said
    assert "\x1b" not in said


SHARED = """\
input: [4, 16, 16]
layers:
  - conv: {out_channels: 4, kernel_size: 3, padding: 1, name: free}
  - conv: {out_channels: 4, kernel_size: 3, padding: 1, name: owner}
  - conv: {out_channels: 4, kernel_size: 3, padding: 1, name: user, share: owner}
"""


def test_layers_without_alternatives_are_named(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net.write_text(SHARED, encoding="utf-8")
    said = refused(capsys, "net.yaml", "--apply", "separable:*")
    assert said == "convcalc: owner: user also uses its weights (share)\n"
    assert run(["alternatives", "net.yaml", "owner"]) == 0
    assert "cannot be changed: user also uses its weights (share)" in capsys.readouterr().out


def test_the_input_file_is_never_overwritten(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net.write_text(OPTIONS, encoding="utf-8")
    said = refused(capsys, "net.yaml", "--apply", "separable:stem", "-o", "net.yaml")
    assert said == "convcalc: -o net.yaml is also an input file: nothing was written\n"
    assert net.read_text(encoding="utf-8") == OPTIONS


def test_a_file_behind_a_link_is_not_quoted(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net.write_text(OPTIONS, encoding="utf-8")
    Path("link.yaml").symlink_to(net)
    assert "behind a symbolic link" in refused(capsys, "link.yaml", "--apply", "separable:stem")


def test_a_block_used_twice_counts_twice(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """
    input: [8, 16, 16]
    blocks:
      b: {layers: [conv: {out_channels: $in_channels, kernel_size: 3, padding: 1, bias: false}]}
    layers: [b, b, b]
    """
    net.write_text(text.replace("\n    ", "\n"), encoding="utf-8")
    found = asked(capsys, "net.yaml")["grouped2"]
    assert found["layers"] == ["b1.conv1", "b2.conv1", "b3.conv1"]
    assert (found["before"]["params"], found["after"]["params"]) == (3 * 576, 3 * 288)


def test_weights_that_uses_share_count_once_and_stay_shared(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """\
inputs: {left: [4, 16, 16], right: [4, 16, 16]}
blocks:
  tower: {layers: [conv: {out_channels: 4, kernel_size: 5, padding: same, bias: false}]}
layers:
  - tower: {from: left, name: a}
  - tower: {from: right, share: a}
  - concat: {from: [a, tower2]}
"""
    written = convcalc.summary(io.StringIO(applied(net, text, "stacked:*.conv1"))).totals
    assert (written.params, written.macs) == (2 * 16 * 9, 2 * 2 * 16 * 9 * 256)
    found = asked(capsys, "net.yaml")["stacked"]
    assert (found["before"]["params"], found["after"]["params"]) == (16 * 25, 2 * 16 * 9)


def test_uses_that_differ_are_distinguished_from_equal_ones() -> None:
    text = """
input: [8, 32, 32]
blocks:
  b:
    params: {k: , stride: 1}
    layers: [conv: {out_channels: $in_channels, kernel_size: $k, stride: $stride, padding: $(k // 2)}]
layers: [b: {k: 5}, b: {k: 7, stride: 2}]
"""
    document = document_of(text)
    report = analyse(read_network(document, Overrides()))
    found, not_possible = list_options(list_convolutions(document, report.network), report.network)
    assert "its kernel_size differs between its uses" in {
        one.reason for one in not_possible if one.factoring == "stacked"
    }
    made, failed = build_options(document, Overrides(), report, found, None)
    assert failed == []
    # k×1 then 1×k, each with the stride of its axis: the expressions are preserved
    [one] = [one for one in made if one.option.factoring == "asymmetric"]
    entries = [arguments for _, arguments in one.option.entries]
    assert [arguments["kernel_size"] for arguments in entries] == [["$k", 1], [1, "$k"]]
    assert [arguments["stride"] for arguments in entries] == [["$stride", 1], [1, "$stride"]]
    assert one.same_shape
    assert one.same_field


def test_in_channels_is_resolved_before_the_layer_is_replaced() -> None:
    text = "input: [8, 32, 32]\nlayers: [conv: {out_channels: $(2 * in_channels), kernel_size: 5, padding: 2}]\n"
    document = document_of(text)
    for one in every(document)[1]:
        written = convcalc.load(io.StringIO(rewrite_text(document, Overrides(), one.spec)))
        assert written.nodes[-1].layer.output.sizes == (16, 32, 32), one.option.factoring


def test_a_wrong_change_is_not_written() -> None:
    document = document_of("input: [8, 32, 32]\nlayers: [conv: {out_channels: 8, kernel_size: 5}]\n")
    [one] = [one for one in every(document)[1] if one.option.factoring == "stacked"]
    with pytest.raises(CannotChange):
        rewrite_text(document, Overrides(inputs={None: [8, 3, 3]}), one.spec)


# -- the output of the command


def test_the_largest_saving_comes_first(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alternatives", "example:resnet18", "-f", "json", "--limit", "0", "--by", "params"]) == 0
    found = json.loads(capsys.readouterr().out)
    saved = [found["network"]["params"] - one["network"]["params"] for one in found["alternatives"]]
    assert saved == sorted(saved, reverse=True)
    assert run(["alternatives", "example:resnet18", "-f", "json", "--limit", "3", "--by", "params"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["alternatives"] == found["alternatives"][:3]
    assert first["more"] == len(found["alternatives"]) - 3


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_the_table_fits_the_terminal(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["alternatives", "example:alexnet", "conv2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("separable ") and line.split()[-1].endswith(("%", "=")) for line in lines)
    assert all(len(line) <= int(columns) for line in lines if not line.startswith(("alexnet", "conv 5×5", "not ")))
    assert run(["alternatives", "example:resnet18", "--limit", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "grouped" in line or "bottleneck" in line]) > 1
    assert all(len(line) <= int(columns) for line in lines if "alternative " in line or "grouped" in line)


def test_markdown_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alternatives", "example:resnet18", "-f", "markdown", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "### Alternatives in resnet18"
    assert len({line.count("|") - line.count("\\|") for line in lines[2:6]}) == 1


def test_a_network_without_convolutions_has_no_alternatives(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net.write_text("input: [3]\nlayers: [linear: {out_features: 2}]\n", encoding="utf-8")
    assert run(["alternatives", "net.yaml"]) == 0
    assert "no alternatives" in capsys.readouterr().out
    assert "no convolution 'x': the network has none" in refused(capsys, "net.yaml", "x")


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["a.0.conv1", "a.1.conv1"], "a.*.conv1"),
        (["stem.0", "stem.1"], "stem.*"),
        (["a.x.conv1", "b.0.x.conv1"], "*.x.conv1"),
        (["a.conv1", "b.conv2"], "*"),
    ],
)
def test_uses_of_an_entry_have_a_pattern(names: list[str], pattern: str) -> None:
    assert common_pattern(names) == pattern
