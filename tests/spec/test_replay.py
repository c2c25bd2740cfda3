"""A block that is expanded again is copied; the network does not show it."""

import pytest

import convcalc
from convcalc import examples
from convcalc.network import Network
from convcalc.spec import expand

BLOCKS = {
    "pair": {
        "params": {"channels": None, "activation": "relu"},
        "layers": [
            {"conv": {"out_channels": "$channels", "kernel_size": 3, "padding": 1}},
            {"branches": [["$activation"], [{"sequence": ["tanh", "identity"], "name": "deep"}]], "merge": "add"},
        ],
    }
}


def comparable(network: Network) -> tuple[object, ...]:
    nodes = [(n.name, n.layer.kind, n.layer.arguments(), n.layer.inputs, n.layer.output, *n[2:]) for n in network.nodes]
    return nodes, network.groups, network.outputs


def laid_anew(spec: object, monkeypatch: pytest.MonkeyPatch) -> Network:
    with monkeypatch.context() as patched:
        patched.setattr(expand, "make_replay_key", lambda use, scope: None)
        return convcalc.load(spec)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", examples.list_names())
def test_examples_are_identical_with_and_without_copying(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = examples.find_file(name)
    assert comparable(convcalc.load(path)) == comparable(laid_anew(path, monkeypatch))


PAIR = {"pair": {"channels": 4}}
CONV = {"out_channels": 4, "kernel_size": 3, "padding": 1}


def spec(*layers: object, **top: object) -> dict[str, object]:
    return {"input": [4, 8, 8], "blocks": BLOCKS, "layers": list(layers), **top}


@pytest.mark.parametrize(
    "layers",
    [
        [{"pair": {"channels": 4, "repeat": 3}}],
        [PAIR, PAIR, {"pair": {"channels": 4, "frozen": True}}],
        [{"pair": {"channels": 4, "name": "a"}}, PAIR, {"add": {"from": ["pair2.conv1", "previous"]}}],
        [PAIR, PAIR, {"relu": {"from": "pair2.branches1.1.deep.tanh1"}}],
        [PAIR, PAIR, {"pair": {"channels": 4, "share": "pair2"}}],
        [PAIR, PAIR, {"conv": {**CONV, "share": "pair2.conv1"}}],
        [PAIR, {"pair": {"channels": 4, "activation": "gelu"}}, PAIR],
        [{"sequence": [{"pair": {"channels": 4, "repeat": 2}}], "repeat": 2}],
    ],
)
def test_copies_have_the_names_and_wires_of_a_new_expansion(
    layers: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert comparable(convcalc.load(spec(*layers))) == comparable(laid_anew(spec(*layers), monkeypatch))


def test_copies_count_against_the_limits() -> None:
    blocks = {"b": {"layers": ["relu"] * 1000}}
    assert len(convcalc.load({"input": [1], "blocks": blocks, "layers": [{"b": {"repeat": 50}}]}).nodes) == 50_000
    with pytest.raises(convcalc.InvalidSpec, match="more than 50,000 layers"):
        convcalc.load({"input": [1], "blocks": blocks, "layers": [{"b": {"repeat": 51}}]})


def test_a_block_with_true_differs_from_one_with_1() -> None:
    blocks = {"b": {"params": {"bias": None}, "layers": [{"pointwise_conv": {"out_channels": 2, "bias": "$bias"}}]}}
    layers = [{"b": {"bias": True}}, {"b": {"bias": 1}}]
    with pytest.raises(convcalc.InvalidSpec, match="bias must be true or false; got 1"):
        convcalc.load({"input": [1, 4], "blocks": blocks, "layers": layers})
