"""Specs with all that a module's text must get right: names, scopes, shared and frozen weights, several inputs."""

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
}
HOSTILE = {
    "name": 'a"""\\" import os #',
    "description": '""" + __import__("os").abort() + \\ """ end\\',
    "input": [8, 32, 32],
    "layers": ["relu"],
}


def specs() -> dict[str, Any]:
    return {**{name: yaml.safe_load(text) for name, text in SPECS.items()}, "hostile": HOSTILE}
