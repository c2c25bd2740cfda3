"""Suggestions to lower the peak memory: each of them, applied by hand, has the peak it promises."""

import json
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run
from convcalc.memory_savings import suggest_savings
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.reader import read_network

# the first branch leaves six channels alive while the second is at its peak; in the other order it is only one
UNEVEN = {
    "input": [1, 8],
    "layers": [
        {
            "branches": [
                [{"pointwise_conv": {"out_channels": 6}}],
                [{"pointwise_conv": {"out_channels": 20}}, {"pointwise_conv": {"out_channels": 1}}],
            ],
            "merge": "concat",
        }
    ],
}


def suggested(spec: dict[str, Any], inplace: bool = True, fold: bool = False, **overrides: Any) -> dict[str, int]:
    network = convcalc.load(spec, **overrides)
    report = convcalc.analyse(network, inplace=inplace, fold_batchnorm=fold)
    found = suggest_savings(report, lambda given: read_network(Document(spec), given), Overrides(), inplace, fold)
    return {suggestion.change: suggestion.peak for suggestion in found}


def test_the_branch_that_needs_the_most_memory_goes_first() -> None:
    # as written: input 1 + six channels alive + 20 + 1; in the other order the six channels do not exist yet
    assert convcalc.summary(UNEVEN).totals.peak_memory == (1 + 6 + 20) * 8 * 4
    assert suggested(UNEVEN)["the branches of branches1 in the order 1, 0"] == (20 + 1 + 1) * 8 * 4


def test_each_setting_has_the_peak_it_promises() -> None:
    spec = {
        "input": [3, 32, 32],
        "batch": 4,
        "layers": [{"conv": {"out_channels": 8, "kernel_size": 3}}, "batchnorm", {"maxpool": {"kernel_size": 2}}],
    }
    found = suggested(spec, inplace=False)
    promised = {
        "elementwise layers in place (without --no-inplace)": convcalc.analyse(convcalc.load(spec)),
        "batch norms folded into convolutions (--fold-batchnorm)": convcalc.analyse(
            convcalc.load(spec), inplace=False, fold_batchnorm=True
        ),
        "one sample at a time (--batch 1)": convcalc.analyse(convcalc.load(spec, batch=1), inplace=False),
        "int8 activations (--dtype activations=int8)": convcalc.analyse(
            convcalc.load(spec, dtype={"activations": "int8"}), inplace=False
        ),
        "a smaller input (--input 3,16,16)": convcalc.analyse(convcalc.load(spec, input=[3, 16, 16]), inplace=False),
    }
    assert {change: found[change] for change in promised} == {
        change: report.totals.peak_memory for change, report in promised.items()
    }


def test_only_settings_that_lower_the_peak_are_suggested_best_first() -> None:
    found = list(suggested({"input": [4], "dtype": "int8", "layers": ["relu"]}).values())
    assert found == []
    peaks = list(suggested(UNEVEN).values())
    assert peaks == sorted(peaks)
    assert all(peak < convcalc.summary(UNEVEN).totals.peak_memory for peak in peaks)


def test_an_input_that_no_longer_fits_is_not_suggested() -> None:
    spec = {"input": [1, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 7}}]}
    assert not [change for change in suggested(spec) if "smaller input" in change]


def test_the_command_draws_the_profile_and_names_the_peak(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in ("60", "100"):
        monkeypatch.setenv("COLUMNS", width)
        assert run(["memory", "example:resnet18"]) == 0
        text = capsys.readouterr().out
        assert "peak 4,014,080 B (3.83 MiB) at maxpool1" in text
        assert "▲" in text
        profile = text.split("\n\n")[1].splitlines()
        assert max(map(len, profile)) <= int(width)


def test_json_holds_the_profile_and_the_suggestions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["memory", "example:resnet18", "--no-inplace", "-f", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["peak_memory"]) == ("convcalc/memory/2", 6_422_528)
    assert max(layer["bytes"] for layer in found["live"]) == found["peak_memory"]
    assert sum(tensor["bytes"] for tensor in found["peak_tensors"]) == found["peak_memory"]
    assert {"change": "elementwise layers in place (without --no-inplace)", "peak_memory": 4_014_080} in found[
        "suggestions"
    ]
