"""The legend under a table explains the signs that the table shows, and no others; the layer kinds declare them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.arguments import Integer, Key
from convcalc.cli.main import run
from convcalc.layers import KINDS
from convcalc.layers.activation import ReLU
from convcalc.render.legend import list_signs
from convcalc.shape import Shape
from tests.documented import printed
from tests.support.specs import load

# of every sign that a kind declares: the kind, its input, arguments that show the sign, and the legend
SIGNED: list[tuple[str, list[int], dict[str, Any], str]] = [
    ("conv", [4, 8, 8], {"out_channels": 4, "kernel_size": 3, "stride": 2}, "/2 stride"),
    ("conv", [4, 8, 8], {"out_channels": 4, "kernel_size": 3, "padding": [[0, 1], 1]}, "p0-1×1 padding"),
    ("conv", [4, 8, 8], {"out_channels": 4, "kernel_size": 3, "dilation": 2}, "d2 dilation"),
    ("conv", [4, 8, 8], {"out_channels": 4, "kernel_size": 3, "groups": 2}, "g2 groups"),
    (
        "conv",
        [4, 8, 8],
        {"out_channels": 4, "kernel_size": 3, "weight_standardized": True},
        "ws weight standardized",
    ),
    ("conv_transpose", [4, 8, 8], {"out_channels": 4, "kernel_size": 3, "stride": 2}, "×2 stride"),
    (
        "conv_transpose",
        [4, 8, 8],
        {"out_channels": 4, "kernel_size": 3, "stride": 2, "output_padding": 1},
        "×2 stride · op1 output padding",
    ),
    ("depthwise_conv", [4, 8, 8], {"kernel_size": 3, "multiplier": 2}, "m2 multiplier"),
    (
        "deform_conv",
        [4, 8, 8],
        {"out_channels": 4, "kernel_size": 3, "offset_groups": 2, "mask": True},
        "og2 offset groups · v2 with mask",
    ),
    ("groupnorm", [4, 8, 8], {"num_groups": 2}, "g2 groups"),
    ("maxpool", [4, 9, 9], {"kernel_size": 2, "ceil_mode": True}, "/2 stride · ceil output size rounded up"),
    ("adaptive_avgpool", [4, 8, 8], {"output_size": [2, 3]}, "→2×3 output size"),
    ("upsample", [4, 8, 8], {"scale_factor": 2}, "×2 scale factor"),
    ("upsample", [4, 8, 8], {"size": 16}, "→16 size"),
    ("pixel_shuffle", [4, 8, 8], {"upscale_factor": 2}, "×2 upscale factor"),
    ("pixel_unshuffle", [4, 8, 8], {"downscale_factor": 2}, "/2 downscale factor"),
    ("channel_shuffle", [4, 8, 8], {"groups": 2}, "g2 groups"),
    ("attention", [4, 8, 8], {"heads": 2}, "h2 heads"),
    ("attention", [4, 8, 8], {"heads": 2, "window": 4}, "h2 heads · w4 window"),
    ("attention", [4, 8, 8], {"heads": 2, "kv_stride": 4}, "h2 heads · kv/4 kv stride"),
    (
        "attention",
        [4, 8],
        {"heads": 2, "relative_position_bias": True},
        "h2 heads · rel. bias relative position bias",
    ),
    ("attention", [4, 8], {"heads": 2, "key_dim": 3, "value_dim": 5}, "h2 heads · dk3 key dim · dv5 value dim"),
    ("lstm", [4, 8], {"hidden_size": 2, "bidirectional": True}, "bi bidirectional"),
]
WORDS = ("like ", "params ", "grid ", "layers ", "length ", "depth ", "height ", "width ")  # they explain themselves


def declared_signs() -> Iterator[tuple[str, Key[Any]]]:
    for name, kind in KINDS.items():
        for key in kind.keys.values():
            if key.sign:
                yield name, key


def summarised(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["summary", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("kind", "shape", "arguments", "expected"), SIGNED)
def test_a_sign_is_explained(kind: str, shape: list[int], arguments: dict[str, Any], expected: str) -> None:
    network = load({"input": shape, "layers": [{kind: arguments}]})
    assert " · ".join(list_signs([network.nodes[0].layer], False)) == expected


def test_every_declared_sign_has_a_legend() -> None:
    signs = {key.sign for _, key in declared_signs()}
    explained = [text for *_, legend in SIGNED for text in legend.split(" · ")]
    for kind, key in declared_signs():
        assert bool(key.explain_sign()) == (key.sign not in WORDS), (kind, key.name)
    for sign in signs - set(WORDS):
        assert any(re.match(rf"{re.escape(sign)}[0-9 ]", text) for text in explained), sign


def test_a_new_sign_is_explained_by_the_name_of_its_argument() -> None:
    class Other(ReLU):
        kind = ""
        further_groups = Integer("groups of something", 1, sign="@")

    assert list_signs([Other((Shape(4, (8,)),), {"further_groups": 2})], False) == ["@2 further groups"]


def test_kinds_that_use_a_sign_differently_are_both_named() -> None:
    layers = [{"maxpool": {"kernel_size": 3, "stride": 2}}, {"pixel_unshuffle": {"downscale_factor": 3}}]
    network = load({"input": [4, 7, 7], "layers": layers})
    assert list_signs([node.layer for node in network.nodes], False) == ["/2 stride or downscale factor"]


MISALIGNED = {
    "input": [3, 32, 32],
    "layers": [
        {"conv": {"out_channels": 4, "kernel_size": 3, "padding": 1, "stride": 4, "name": "a"}},
        {
            "conv": {
                "out_channels": 4,
                "kernel_size": 7,
                "stride": 4,
                "padding": [[0, 6], [0, 6]],
                "from": "input",
                "name": "b",
            }
        },
        {"add": {"from": ["a", "b"]}},
    ],
}


def test_a_misaligned_field_is_explained_only_if_it_is_shown() -> None:
    report = convcalc.summary(MISALIGNED)
    assert " !" in str(report)
    assert "\n/4 stride · p1 padding · ! merged branches misaligned\n" in str(report)
    assert "\n\n/4 stride · p1 padding · \\! merged branches misaligned\n\n" in report._repr_markdown_()


def test_signs_of_omitted_columns_and_folded_layers_are_not_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\n/2 stride · p1 padding\n" in summarised(capsys, "example:resnet18")
    assert "stride" not in summarised(capsys, "example:resnet18", "--columns", "name,macs")
    assert "padding" not in summarised(capsys, "example:resnet18", "--columns", "name,macs", "-f", "markdown")
    assert "stride" not in summarised(capsys, "example:resnet18", "-q")
    assert "dilation" not in summarised(capsys, "example:resnet18")
    assert "d2 dilation" in summarised(capsys, "example:deeplabv3_resnet50", "--depth", "all")
    assert "d2 dilation" not in summarised(capsys, "example:deeplabv3_resnet50", "--depth", "1")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_legend_fits_the_width(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    table = summarised(capsys, "example:googlenet", "--columns", "name,what", "--depth", "all")
    legend = table.split("\n\n")[-2].splitlines()
    assert " ".join(legend).replace(" · ", " ") == "/1 stride p1 padding ceil output size rounded up"
    assert all(len(line) <= width for line in legend)


def test_other_tables_explain_their_signs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["alternatives", "example:alexnet", "conv2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "= unchanged"
    assert run(["diff", "example:lenet5", "example:resnet18"]) == 0
    assert re.search(r"^/2 stride · p\S+ padding$", capsys.readouterr().out, re.MULTILINE)
    assert "merged branches" not in printed(["diff", "example:lenet5", "example:resnet18", "-f", "markdown"])
    (tmp_path / "net.json").write_text(json.dumps(MISALIGNED), encoding="utf-8")
    for arguments in (["diff", str(tmp_path / "net.json"), "example:lenet5"], ["rf", str(tmp_path / "net.json")]):
        assert re.search(r"^! merged branches misaligned$", printed(arguments), re.MULTILINE)
    text = printed(["diff", str(tmp_path / "net.json"), "example:lenet5", "-f", "markdown"])
    assert "\n\n\\! merged branches misaligned\n\n" in text
    assert run(["compare", "example:resnet18", "example:alexnet"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "* best in its column"
