"""Random specs with a design space, made of pieces that couple their choices in all the ways of the language."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

BLOCKS: dict[str, Any] = {
    "mb": {
        "params": {
            "kernel_size": 3,
            "expand": 1,
            "out_channels": "$in_channels",
            "stride": 1,
            "residual": "$(stride == 1 and in_channels == out_channels)",
        },
        "layers": [
            {"pointwise_conv": {"out_channels": "$(expand * in_channels)", "bias": False}},
            "batchnorm",
            "relu",
            {"depthwise_conv": {"kernel_size": "$kernel_size", "stride": "$stride", "padding": "$(kernel_size // 2)"}},
            {"pointwise_conv": "$out_channels"},
            {"add": {"from": ["previous", "input"], "when": "$residual"}},
        ],
    },
    # uses a spec parameter with a value per copy itself
    "free": {"layers": [{"conv": {"out_channels": 4, "kernel_size": "$kernel", "padding": "$(kernel // 2)"}}, "relu"]},
    "nothing": {"layers": [{"relu": {"when": False}}]},
    "thing": {"layers": [{"conv": {"out_channels": "$in_channels", "kernel_size": 1}}, {"add": ["previous", "input"]}]},
    "outer": {"layers": [{"free": {"repeat": 2}}, {"mb": {"kernel_size": "$kernel"}}]},
}
CONV = {"kernel_size": 3, "padding": 1}
SAME = {"out_channels": 4, **CONV}
PIECES: list[list[Any]] = [
    [{"conv": {"out_channels": 4, "kernel_size": "$kernel", "padding": "same"}}],
    [{"conv": {"out_channels": "$width", **CONV}}, "relu"],
    [{"conv": {"out_channels": "$hidden", **CONV}}, "relu", {"conv": SAME}],
    [{"conv": {**SAME, "stride": "$stride"}}, "batchnorm"],
    [{"mb": {"kernel_size": "$kernel", "expand": "$expand", "repeat": "$depth"}}],
    [{"mb": {"kernel_size": "$kernel", "out_channels": 4, "stride": "$(2 if index == 0 else 1)", "repeat": 2}}],
    [{"free": {"repeat": "$depth"}}, "relu"],
    [{"outer": {"repeat": 2}}],
    [{"$op": {"repeat": 2}}],
    ["$act", {"conv": SAME}],
    [{"conv": {**SAME, "when": "$flag"}}, "relu"],
    [
        {"conv": {"out_channels": "$width", "kernel_size": 1, "repeat": 2, "name": "NAME"}},
        {"concat": ["NAME.*", "previous"]},
    ],
    [
        {"conv": {"out_channels": "$width", "kernel_size": 1, "name": "NAME"}},
        {"conv": SAME},
        {"concat": ["NAME", "previous"]},
    ],
    [{"identity": {"name": "NAME"}}, {"conv": SAME}, "relu", {"concat": ["NAME", "previous"]}],
    [{"branches": {"a": [{"conv": {"out_channels": "$width", "kernel_size": 1}}], "b": ["relu"]}, "merge": "concat"}],
    [
        {
            "branches": [[{"conv": {**SAME, "when": "$flag"}}], [{"mb": {"expand": "$expand", "out_channels": 4}}]],
            "merge": "concat",
        }
    ],
    [
        {
            "sequence": [
                {"conv": {**SAME, "kernel_size": 1}},
                {"conv": {"out_channels": "$(4 * (index + 1))", **CONV}},
            ],
            "repeat": "$depth",
        }
    ],
    [{"sequence": [{"free": {"repeat": {"inner": 2}}}, "relu"], "repeat": {"outer_count": 2}}],
    [{"conv": {**SAME, "name": "NAME"}}, {"conv": {**SAME, "name": "NAME2"}}, {"conv": {**SAME, "share": "NAME2"}}],
    [{"reshape": ["$(in_channels)", -1]}, {"reshape": [-1, 8, 8]}],
    [{"dropout": 0.5}, {"maxpool": {**CONV, "stride": 1}}],
    [{"conv": {**SAME, "stride": "$stride", "name": "NAME"}}, {"maxpool": 2}, {"upsample": {"like": "NAME"}}],
    [{"conv": {**SAME, "frozen": "$flag"}}, "batchnorm"],
    [{"mb": {"kernel_size": "$kernel", "name": "NAME"}}, {"mb": {"kernel_size": 3, "share": "NAME", "when": "$flag"}}],
    [{"conv": {"out_channels": 4, "kernel_size": "$(kernel + 4)"}}],
]
SPACE: dict[str, Any] = {
    "width": [2, 4],
    "stride": [1, 2],
    "depth": [0, 1, 2],
    "act": ["relu", "gelu"],
    "flag": [True, False],
    "op": {"choices": ["nothing", "thing", "mb"], "per": "copy"},
    "kernel": {"choices": [1, 3], "per": "copy"},
    "expand": {"choices": [1, 2], "per": "copy"},
}


def _rename(piece: Any, name: str) -> Any:
    if isinstance(piece, str):
        return piece.replace("NAME", name)
    if isinstance(piece, list):
        return [_rename(item, name) for item in piece]
    if isinstance(piece, dict):
        return {_rename(key, name): _rename(item, name) for key, item in piece.items()}
    return piece


@st.composite
def spaces(draw: st.DrawFn) -> str:
    """Return the text of a random spec."""
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5))
    layers = [layer for number, piece in enumerate(pieces) for layer in _rename(piece, f"n{number}x")]
    head: list[Any] = draw(
        st.sampled_from([[], ["global_avgpool", "flatten", {"linear": 3}], [{"conv": SAME}, "relu"]])
    )
    space = dict(SPACE)
    for name in ("width", "stride", "act", "flag"):
        if draw(st.booleans()):
            space[name] = {"choices": SPACE[name], "per": "copy"}
    if isinstance(space["width"], dict):
        params: dict[str, Any] = {"hidden": 3}
    else:
        params = {"width": draw(st.sampled_from([2, 4])), "hidden": "$(width + 1)"}
    root: dict[str, Any] = {
        "params": params,
        "space": space,
        "input": [3, 16, 16],
        "blocks": BLOCKS,
        "layers": [*layers, *head],
    }
    if draw(st.booleans()):
        root["layers"] = [{"conv": SAME}, *root["layers"]]
    arguments = [value for layer in layers if isinstance(layer, dict) for value in layer.values()]
    named = [value["name"] for value in arguments if isinstance(value, dict) and "name" in value]
    has_outputs = draw(st.booleans())
    if named and has_outputs:
        root["layers"].append({"identity": {"name": "last"}})
        root["outputs"] = [named[0], "last"]
    return yaml.safe_dump(root, sort_keys=False)
