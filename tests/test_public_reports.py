"""Networks and commands on which convcalc was once wrong, as strangers reported them.

Each case has its source and the right value, derived independently: by hand, by a published figure, or by a run of
the framework.
"""

import inspect
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import convcalc
from convcalc.cli.main import run

# -- shapes and inputs


# -- receptive field and drawings


# -- memory and data types


# -- budgets, fit and alternatives


# -- the command line


# -- imports: PyTorch


def reported(name: str) -> Any:
    pytest.importorskip("torch", reason="PyTorch traces the modules")
    from tests import reported_modules

    return getattr(reported_modules, name)()


def import_module(name: str, shape: tuple[int, ...]) -> convcalc.Report:
    return convcalc.analyse(convcalc.from_torch(reported(name), shape))


@pytest.mark.torch
def test_views_that_are_nearly_a_pixel_unshuffle_keep_their_shape() -> None:
    """Reported: mobilevitv2 read with 8,480 params and 32×16×16.

    3·64 + 64 + 64·32 + 32 params; 1×1 convolutions keep the positions of the view, 4 × 16·16.
    """
    report = import_module("PatchesApart", (3, 32, 32))
    assert report.totals.params == 2_336
    assert [shape.sizes for shape in report.outputs().values()] == [(32, 4, 256)]
    assert [layer.kind for layer in report.layers] == ["conv", "opaque", "conv"]
    assert not report.complete


@pytest.mark.torch
def test_views_that_cut_channels_and_height_together_are_no_channel_shuffle() -> None:
    """Found by the fuzz: 341 "channel shuffles" that moved height into the channels."""
    report = import_module("HeightIntoChannels", (6, 16, 8))
    assert [layer.kind for layer in report.layers] == ["reshape", "opaque"]


@pytest.mark.torch
def test_a_check_for_an_identity_holds_while_a_module_is_traced() -> None:
    """Reported: 165,888 MACs for 82,944 (here on 16×16: 27·16 of one convolution at each of 256 positions)."""
    report = import_module("AskingForIdentity", (3, 16, 16))
    assert report.totals.macs == 27 * 16 * 256
    assert report.complete
    assert [layer.kind for layer in report.layers] == ["identity", "conv"]


@pytest.mark.torch
def test_an_hrnet_that_leaves_out_identities_is_read() -> None:
    """Reported: HRNets are refused. The params: 3·4+4, 3·8·4+8, 8·4+4 and 4·8·9+8."""
    report = import_module("Fusing", (3, 32, 32))
    assert (report.totals.params, report.complete) == (16 + 104 + 36 + 296, True)
    assert [shape.sizes for shape in report.outputs().values()] == [(4, 32, 32), (8, 16, 16)]


@pytest.mark.torch
def test_a_computing_module_named_like_dropped_paths_is_read() -> None:
    """Reported: a module of the class DropPath vanished with its params, 16·16·9 + 16 beside 3·16·9 + 16."""
    assert import_module("WithComputingPath", (3, 32, 32)).totals.params == 2_320 + 448


@pytest.mark.torch
def test_a_partly_frozen_convolution_trains_its_bias_alone() -> None:
    """Reported: 448 trainable params; PyTorch trains 16, the bias of 16 channels."""
    report = import_module("PartlyFrozen", (3, 8, 8))
    assert (report.totals.params, report.totals.trainable_params) == (448, 16)


@pytest.mark.torch
def test_what_no_layer_accounts_for_is_said_and_the_report_is_not_complete() -> None:
    """Kind: an import is believed without a check. The weights' product is 8·8·8 MACs, once for all samples."""
    from convcalc.convert.from_torch import graph_of
    from convcalc.convert.writer import spec_text

    graph = graph_of(reported("Reweighted"), (3, 8, 8))
    assert graph.notes[-1].startswith("unaccounted: ")
    assert "MACs here" in graph.notes[-1]
    report = convcalc.summary(StringIO(spec_text(graph)))
    assert report.totals.params == 3 * 8 + 8 + 2 * 64
    assert not report.complete


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "comment", "said"),
    [
        ("CountedByValue", "nonzero", "the size of the output of nonzero depends on the values of a tensor"),
        ("ReadingOut", "item", "depends on the values of a tensor"),
        ("Raising", "error", "KeyError: 'no such scale'"),
        ("Leaving", "exit", "SystemExit: 3"),
        ("Misfit", "misfit", "RuntimeError"),
    ],
)
def test_what_cannot_be_traced_is_an_error_that_names_the_line(
    name: str, comment: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reported: `torch.nonzero(y[0, 0] > .5)` as an output ends in an internal error."""
    module = reported(name)
    file = Path(str(inspect.getsourcefile(type(module))))
    lines = file.read_text(encoding="utf-8").splitlines()
    number = next(
        number
        for number, line in enumerate(lines, 1)
        if line.endswith((f"# the line of {comment}", f"# the line of the {comment}"))
    )
    assert run(["import", "--torch", f"tests.reported_modules:{name}", "--input", "3,32,32"]) == 2
    told = capsys.readouterr().err
    assert f"{file.name}:{number}: " in told
    assert said in told
    assert "internal error" not in told


@pytest.mark.torch
def test_a_wrong_number_of_inputs_is_told_with_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    reported("TwoInputs")
    assert run(["import", "--torch", "tests.reported_modules:TwoInputs", "--input", "3,32,32"]) == 2
    assert "its forward takes the inputs left, right, and 1 shape is given" in capsys.readouterr().err


@pytest.mark.torch
def test_summary_takes_an_imported_network() -> None:
    """Reported: `convcalc.summary(convcalc.from_torch(module, shape))` raises AttributeError."""
    network = convcalc.from_torch(reported("Small"), (3, 8, 8))
    assert convcalc.summary(network).totals.params == 224 + 16 + 90


def test_a_report_prints_as_its_table() -> None:
    """Reported: `analyse(net)` shows `<Report object>`."""
    from rich.console import Console

    network = convcalc.load({"input": [3, 8, 8], "layers": [{"conv": {"out_channels": 4, "kernel_size": 3}}]})
    report = convcalc.analyse(network)
    console = Console(file=StringIO(), width=60)
    with console.capture() as capture:
        console.print(report)
    for text in (str(report), capture.get()):
        assert "conv1" in text
        assert "4×6×6" in text
    assert max(map(len, capture.get().splitlines())) <= 60
    assert repr(report) == "<Report of network, 1 layer, input 3×8×8: 112 params, 3,888 MACs>"
    assert repr(network) == "<Network network, 1 layer, input 3×8×8>"


def test_summary_refuses_to_override_a_network() -> None:
    network = convcalc.load({"input": [3], "layers": [{"linear": {"out_features": 4}}]})
    with pytest.raises(TypeError, match="give batch to load"):
        convcalc.summary(network, batch=2)


# -- imports: ONNX and Keras
