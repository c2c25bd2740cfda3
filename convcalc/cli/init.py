"""`convcalc init`: prints a commented spec to start from."""

import os

import click

from convcalc.cli import common, writing
from convcalc.problems import printable

_EXAMPLES = """\b
Examples:
  convcalc init
  convcalc init -o net.convcalc.yaml"""
_STARTER = """\
# yaml-language-server: $schema=convcalc.schema.json
# (convcalc schema -o convcalc.schema.json writes the schema, which lets editors complete and check)
description: A small residual network

params:                           # convcalc summary FILE --set width=0.5 overrides one
  width: 1.0
  classes: 10

input: [3, 32, 32]                # channels first; {channels: 3, height: 32, width: 32} is the same

blocks:
  residual:                       # used below like a layer kind
    params:
      out_channels:               # an empty value makes a parameter required
      stride: 1
      project: $(stride > 1 or in_channels != out_channels)
    layers:
      - branches:
          - - conv: {out_channels: $out_channels, kernel_size: 3, stride: $stride, padding: 1, bias: false}
            - batchnorm
            - relu
            - conv: {out_channels: $out_channels, kernel_size: 3, padding: 1, bias: false}
            - batchnorm
          - - conv: {out_channels: $out_channels, kernel_size: 1, stride: $stride, bias: false, when: $project}
            - batchnorm: {when: $project}
        merge: add
      - relu

layers:
  - conv: {out_channels: $(round8(16 * width)), kernel_size: 3, padding: 1, bias: false}
  - batchnorm
  - relu
  - residual: {out_channels: $(round8(32 * width)), stride: 2}
  - residual: {out_channels: $(round8(64 * width)), stride: $(2 if index == 0 else 1), repeat: 2, name: deep}
  - global_avgpool
  - flatten
  - linear: $classes

budget:
  params: 200K
  macs: 20M
  peak_memory: 256 KiB
"""


@click.command("init", epilog=_EXAMPLES)
@common.output_options
def command(where: writing.Output) -> int:
    """Print a commented spec to start from; with -o, write it to a new file."""
    if where.file is not None and os.path.exists(where.file):
        raise writing.Failure(f"{printable(where.file)} already exists: nothing was written")
    writing.write_text(_STARTER, where, [])
    return 0
