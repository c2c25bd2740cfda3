"""Networks and commands on which convcalc was once wrong, as strangers reported them.

Each case has its source and the right value, derived independently: by hand, by a published figure, or by a run of
the framework.
"""

import io
import json
import shlex
from pathlib import Path

import pytest

import convcalc
from convcalc.cli.main import run

# -- shapes and inputs


# -- receptive field and drawings


# -- memory and data types


# -- budgets, fit and alternatives

TWO_ENTRIES = """\
input: [16, 16, 16]
blocks:
  bottleneck: {layers: [conv: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}]}
layers:
  - sequence: [conv: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}]
  - bottleneck
  - bottleneck
"""


def test_a_row_of_alternatives_changes_no_other_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """reported: the row `*.conv1 bottleneck` promised less than `--apply 'bottleneck:*.conv1'` changed.

    By hand, per position: a convolution 9 × 16 × 16 = 2,304 MACs, its bottleneck 16 × 4 + 9 × 4 × 4 + 4 × 16 = 272.
    """
    net = tmp_path / "net.yaml"
    net.write_text(TWO_ENTRIES, encoding="utf-8")
    assert run(["alternatives", str(net), "-f", "json", "--limit", "0"]) == 0
    rows = json.loads(capsys.readouterr().out)["alternatives"]
    promised = {row["pattern"]: row["network"]["macs"] for row in rows if row["alternative"] == "bottleneck"}
    assert promised == {
        "sequence1.conv1": 256 * (272 + 2 * 2304),
        "bottleneck*.conv1": 256 * (2304 + 2 * 272),
    }
    for pattern, macs in promised.items():
        assert run(["alternatives", str(net), "--apply", f"bottleneck:{pattern}"]) == 0
        assert convcalc.summary(io.StringIO(capsys.readouterr().out)).totals.macs == macs


def test_the_pattern_of_the_help_of_alternatives_can_be_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """reported: `alternatives example:resnet18 'stage2.*'` was refused, exit 2."""
    assert run(["alternatives", "example:resnet18", "stage2.*", "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["alternatives"]
    assert all(any(name.startswith("stage2.") for name in row["layers"]) for row in rows)
    assert len({row["pattern"] for row in rows}) == 3  # the two convolutions of a block, and that of its skip


def test_fit_promises_what_summary_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """reported: `fit -q` dropped --dtype, --batch, --input and --fold-batchnorm.

    By hand, of the first layer's output of MobileNet 0.5 at 96 × 96, two samples of one byte: 2 × 16 × 48 × 48.
    """
    asked = ["-p", "width=0.5", "--input", "3,96,96", "--batch", "2", "--dtype", "int8", "--fold-batchnorm"]
    assert run(["fit", "example:mobilenet_v1", *asked, "--max-params", "5M", "--no-spec-budget", "-q"]) == 0
    options = capsys.readouterr().out
    assert run(["summary", "example:mobilenet_v1", *shlex.split(options), "-f", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["layers"][0]["memory"]["output"] == 2 * 16 * 48 * 48
    # 1,331,592 (Howard et al. 2017: 1.3 million), less a scale and a bias for each of 5,472 channels, plus a bias
    assert report["totals"]["params"] == 1_331_592 - 5_472


# -- the command line


# -- imports: PyTorch


# -- imports: ONNX and Keras
