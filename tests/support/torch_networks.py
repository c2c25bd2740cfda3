"""Specs that are difficult to export as modules: names, scopes, shared and frozen weights, several inputs."""

from __future__ import annotations

from typing import Any

import yaml

SPECS: dict[str, str] = {
    "siamese": """
inputs: {left: [3, 64, 64], right: [3, 64, 64]}
blocks:
  encoder:
    layers:
      - conv: {out_channels: 8, kernel_size: 3}
      - batchnorm
      - relu
layers:
  - encoder: {from: left, name: class}
  - encoder: {from: right, name: forward, share: class}
  - add: {from: [class, forward]}
  - conv: {out_channels: 4, kernel_size: 1, name: lambda}
  - conv: {out_channels: 4, kernel_size: 1}
  - conv: {out_channels: 4, kernel_size: 1, share: conv2, name: x}
  - conv: {out_channels: 4, kernel_size: 1, share: conv2, name: out}
outputs: [lambda, out]
""",
    "norms_with_half_their_params": """
input: [3, 16, 16]
layers:
  - conv: {out_channels: 8, kernel_size: 3, bias: false}
  - batchnorm: {scale: false}
  - conv: {out_channels: 8, kernel_size: 3, bias: false}
  - batchnorm: {center: false, track_running_stats: false}
  - conv: {out_channels: 8, kernel_size: 3, bias: false}
  - batchnorm: {scale: false, center: false}
  - flatten
  - batchnorm: {scale: false}
""",
    "frozen": """
input: [3, 64, 64]
blocks:
  unit:
    params: {channels: }
    layers:
      - conv: {out_channels: $channels, kernel_size: 3, padding: 1}
      - batchnorm
      - relu
layers:
  - unit: {channels: 8, repeat: 2, name: stem, frozen: true}
  - unit: {channels: 16}
  - conv: {out_channels: 4, kernel_size: 1, frozen: true, repeat: 3}
""",
    "looking_outward": """
input: [8, 32, 32]
layers:
  - conv: {out_channels: 8, kernel_size: 3, padding: 1, name: skip}
  - sequence:
      - conv: {out_channels: 8, kernel_size: 3, padding: 1}
      - add: {from: [previous, skip]}
    repeat: 3
    name: stage
  - sequence:
      - conv: {out_channels: 8, kernel_size: 3, padding: 1, share: skip}
      - relu
    name: tail
  - branches:
      - - conv: {out_channels: 4, kernel_size: 1}
        - branches:
            - []
            - - relu
          merge: add
      - - maxpool: {kernel_size: 2, stride: 1, padding: same}
      - []
    merge: concat
    name: b-1
outputs: [stage.1.conv1, b-1, skip]
""",
    "names_that_clash": """
input: [8, 32, 32]
blocks:
  residual:
    layers:
      - branches:
          - - conv: {out_channels: 8, kernel_size: 3, padding: [[1, 1], [0, 2]]}
          - []
        merge: add
        repeat: 3
  padded:
    layers:
      - conv: {out_channels: 8, kernel_size: 2, padding: same, repeat: 2}
      - conv: {out_channels: 8, kernel_size: 2, padding: same, name: conv-1_pad}
      - conv: {out_channels: 8, kernel_size: 2, padding: same, name: conv_1}
      - conv: {out_channels: 8, kernel_size: 2, padding: same, name: conv-1}
layers:
  - residual
  - residual: {repeat: 2}
  - padded: {name: nn}
  - padded: {name: torch}
  - padded: {name: self}
  - padded: {name: None}
  - add: {from: [nn, torch, self, None, input]}
  - identity
  - dropout: {p: 0}
""",
    "shared_deep_inside": """
input: [8, 32, 32]
blocks:
  unit:
    layers:
      - conv: {out_channels: 8, kernel_size: 1, name: a}
      - sequence:
          - conv: {out_channels: 8, kernel_size: 1, share: a}
          - relu
        repeat: 2
layers:
  - unit
  - unit: {name: second}
  - unit: {share: unit1}
  - conv: {out_channels: 8, kernel_size: 1, share: second.a}
""",
    "outputs_inside_a_chain_are_read": """
input: [8, 32, 32]
blocks:
  unit:
    layers:
      - conv: {out_channels: 8, kernel_size: 1}
      - relu
layers:
  - conv: {out_channels: 8, kernel_size: 1, repeat: 3, name: layers}
  - concat: [layers.*, input]
  - conv: {out_channels: 8, kernel_size: 1}
  - unit: {repeat: 2, name: units}
  - concat: [units.*, input]
  - conv: {out_channels: 8, kernel_size: 1}
  - sequence:
      - conv: {out_channels: 8, kernel_size: 1, name: inside}
      - unit
    name: sequence
  - concat: [sequence.inside, sequence]
""",
}
HOSTILE = {
    "name": 'a"""\\" import os #',
    "description": '""" + __import__("os").abort() + \\ """ end\\',
    "input": [8, 32, 32],
    "layers": ["relu"],
}


def specs() -> dict[str, Any]:
    return {**{name: yaml.safe_load(text) for name, text in SPECS.items()}, "hostile": HOSTILE}


def random_spec(choose: Any) -> dict[str, Any]:
    """Return a random spec whose tensors are all 4×3×3, with nested scopes.

    `choose` returns a random number below its argument.
    """
    blocks: dict[str, Any] = {}
    for number in range(choose(3)):
        blocks[f"block{number}"] = {"layers": entries(choose, 2, list(blocks))}
    layers = entries(choose, 3, list(blocks))
    outputs = [name_of(entry) for entry in layers if name_of(entry) and choose(4) == 0]
    spec: dict[str, Any] = {"input": [4, 3, 3], "blocks": blocks, "layers": [{"conv": CONV}, *layers]}
    return {**spec, "outputs": outputs} if outputs else spec


CONV = {"out_channels": 4, "kernel_size": 1}
LATER = ("class", "forward", "a", "a-b", "a_b", "x", "out", "torch")


def name_of(entry: dict[str, Any]) -> str:
    """Return the name that an entry states, or an empty text."""
    return str(
        entry.get("name") or next((value.get("name", "") for value in entry.values() if isinstance(value, dict)), "")
    )


def entries(choose: Any, depth: int, blocks: list[str]) -> list[dict[str, Any]]:
    """Return random entries of a scope."""
    found: list[dict[str, Any]] = [{"conv": CONV}]
    names = list(LATER)
    named: list[str] = []
    convs: list[str] = []
    for _ in range(1 + choose(4)):
        kind = choose(8 if depth else 4)
        options: dict[str, Any] = {"name": names.pop(choose(len(names)))} if choose(3) == 0 else {}
        repeat = {"repeat": 1 + choose(3)} if choose(3) == 0 else {}
        if kind == 0:
            share = {"share": convs[choose(len(convs))]} if convs and choose(2) else {}
            found.append(
                {"conv": {**CONV, **options, **(share or repeat), **({"frozen": True} if choose(3) == 0 else {})}}
            )
            convs += [options["name"]] if options and not share and not repeat else []
        elif kind == 1:
            found.append({"batchnorm": {**options, **repeat}})
        elif kind == 2:
            found.append({"add": {"from": ["previous", "input"], **options}})
        elif kind == 3:
            others = [named[choose(len(named))]] if named else ["input"]
            found.append({"multiply": {"from": ["previous", *others], **options}})
        elif kind == 4:
            found.append({"sequence": entries(choose, depth - 1, blocks), **options, **repeat})
        elif kind == 5:
            branches = [entries(choose, depth - 1, blocks) if choose(3) else [] for _ in range(2 + choose(2))]
            found.append({"branches": branches, "merge": ("add", "multiply")[choose(2)], **options, **repeat})
        elif kind == 6 and blocks:
            frozen = {"frozen": True} if choose(3) == 0 else {}
            found.append({blocks[choose(len(blocks))]: {**options, **repeat, **frozen}})
        else:
            found += [{"concat": {"from": ["previous", "input"]}}, {"conv": {**CONV, **options}}]
        named += [options["name"]] if options else []
    return found
