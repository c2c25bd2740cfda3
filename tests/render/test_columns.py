"""Every column, by its name, for a network small enough to be counted by hand."""

import io

import pytest

import convcalc
from convcalc.render import columns, compare
from convcalc.render.grid import Column
from convcalc.render.rows import layer_rows

# conv: 4 × 4 × 3 outputs of 3 × 3 × 3 products and a bias; pointwise_conv: 2 × 4 × 3 outputs of 4 products
SPEC = """\
name: small
description: counted by hand
x-task: nothing
input: [3, 8, 6]
layers:
  - conv: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  - batchnorm
  - pointwise_conv: {out_channels: 2, bias: false}
"""
OUTPUTS = 4 * 4 * 3
FLOAT32 = 4  # bytes
LAYER = {  # column → its values for the three layers, and the text of the first
    "name": (["conv1", "batchnorm1", "pointwise_conv1"], "conv1"),
    "kind": (["conv", "batchnorm", "pointwise_conv"], "conv"),
    "what": (["3×3, 4, /2, p1", "", "2"], "3×3, 4, /2, p1"),
    "line": ([6, 7, 8], "6"),
    "from": (["input", "conv1", "batchnorm1"], "input"),
    "input_shape": (["3×8×6", "4×4×3", "4×4×3"], "3×8×6"),
    "output_shape": (["4×4×3", "4×4×3", "2×4×3"], "4×4×3"),
    "params": ([4 * 27 + 4, 4 + 4, 2 * 4], "112"),
    "trainable_params": ([112, 8, 8], "112"),
    "buffers": ([0, 4 + 4, 0], "·"),
    "multiplications": ([OUTPUTS * 27, OUTPUTS, 24 * 4], "1.30 K"),
    "additions": ([OUTPUTS * (26 + 1), OUTPUTS, 24 * 3], "1.30 K"),
    "macs": ([1296, 0, 96], "1.30 K"),
    "flops": ([1296 + 1296, 48 + 48, 96 + 72], "2.59 K"),
    "receptive_field": (["3", "3", "3"], "3"),
    "jump": (["2", "2", "2"], "2"),
    "input_memory": ([144 * FLOAT32, 48 * FLOAT32, 48 * FLOAT32], "576 B"),
    "weight_memory": ([112 * FLOAT32, (8 + 8) * FLOAT32, 8 * FLOAT32], "448 B"),
    "activation_memory": ([48 * FLOAT32, 48 * FLOAT32, 24 * FLOAT32], "192 B"),
    # batchnorm works in place
    "live_memory": ([(144 + 48) * FLOAT32, 48 * FLOAT32, (48 + 24) * FLOAT32], "768 B"),
    "share": ([round(1296 / 1392, 6), 0, round(96 / 1392, 6)], " 93.1% ███████▌"),
}
PARAMS = 112 + 8 + 8
WEIGHTS = (PARAMS + 8) * FLOAT32
# weights, gradients, the input of every layer, and the mean and deviation of each channel of the batch norm
TRAINING = WEIGHTS + PARAMS * FLOAT32 + (144 + 48 + 48 + 4 + 4) * FLOAT32
NETWORK = {  # column → its value and text for the network
    "name": ("net", "net"),
    "input_shape": ("3×8×6", "3×8×6"),
    "output_shape": ("2×4×3", "2×4×3"),
    "layers": (3, "3"),
    "params": (PARAMS, "128"),
    "macs": (1296 + 96, "1.39 K"),
    "flops": (2592 + 96 + 168, "2.86 K"),
    "weight_memory": (WEIGHTS, "544 B"),
    "activation_memory": ((48 + 48 + 24) * FLOAT32, "480 B"),
    "peak_memory": ((144 + 48) * FLOAT32, "768 B"),
    "training_memory": (TRAINING, "2.00 KiB"),
    "receptive_field": (3, "3"),
    "task": ("nothing", "nothing"),
    "description": ("counted by hand", "counted by hand"),
}
NETWORK_COLUMNS = {column.name: column for column in (*compare.GALLERY, *compare.EVERY)}


@pytest.fixture(scope="module")
def report() -> convcalc.Report:
    return convcalc.summary(io.StringIO(SPEC))


def test_every_column_is_tested() -> None:
    assert list(LAYER) == [column.name for column in columns.EVERY]
    assert NETWORK.keys() == NETWORK_COLUMNS.keys()


@pytest.mark.parametrize("every", [columns.EVERY, compare.EVERY, compare.GALLERY])
def test_no_two_columns_have_the_same_name(every: tuple[Column[object], ...]) -> None:
    assert len({column.name for column in every}) == len(every)


@pytest.mark.parametrize("name", LAYER)
def test_a_column_of_layers(name: str, report: convcalc.Report) -> None:
    column = columns.COLUMNS[name]
    rows = layer_rows(report)
    assert ([column.value(row) for row in rows], column.text(rows[0], False)) == LAYER[name]


@pytest.mark.parametrize("name", NETWORK)
def test_a_column_of_networks(name: str, report: convcalc.Report) -> None:
    column = NETWORK_COLUMNS[name]
    [row] = compare.network_rows([("net", report)])
    assert (column.value(row), column.text(row, False).strip()) == NETWORK[name]
