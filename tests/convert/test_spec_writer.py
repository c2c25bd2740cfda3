"""The spec writer: exact, folded as a person would fold, with any names and texts in the source."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc import Network, examples
from convcalc.convert.decompile import block_folding
from convcalc.convert.decompile.leaves import make_layer_items
from convcalc.convert.decompile.spec_writer import is_exact, list_folds, spec_text
from convcalc.convert.graph import Graph, Step, plain_spec, sort_steps
from tests.support.flattening import flat, torchvision_names

ZOO = examples.list_names()
RESNETS = [name for name in ZOO if name.startswith("resnet") and name != "resnet8"]  # which torchvision does not have


def example(name: str) -> Network:
    """An example network; imported networks have no batch size and no data types."""
    return convcalc.load(examples.find_file(name), batch=1, dtype="float32")


def own_names(network: Network) -> Graph:
    return flat(network, lambda name: name)


def torch_names(network: Network) -> Graph:
    return flat(network, torchvision_names(network).__getitem__)


def loaded(text: str) -> Network:
    return convcalc.load(io.StringIO(text))


def figures(network: Network) -> list[dict[str, Any]]:
    """Everything that is reported per layer except names and line numbers; wires by tensor numbers."""
    found = []
    for node, layer in zip(network.nodes, convcalc.analyse(network).to_dict()["layers"], strict=True):
        layer["arguments"] = {key: value for key, value in layer["arguments"].items() if key not in ("like", "share")}
        wires = {"from": node.reads, "owner": node.owner}
        found.append({key: value for key, value in layer.items() if key not in ("name", "line")} | wires)
    return found


def lines(text: str) -> int:
    return len(text.splitlines())


def check_folds(source: Graph, network: Network) -> None:
    """Every fold succeeds without the writer's safeguard, and describes the network exactly."""
    texts = [fold() for fold in list_folds(source, network, make_layer_items(source, network))]
    assert [is_exact(text, network) for text in texts] == [True] * len(texts)


def step(name: str, kind: str, reads: str, **arguments: Any) -> Step:
    return Step(name, kind, arguments, tuple(reads.split()))


def graph(*steps: Step, **more: Any) -> Graph:
    return Graph(
        **{
            "name": "net",
            "origin": "a test",
            "inputs": {"x": (8, 6, 6)},
            "steps": steps,
            "outputs": (steps[-1].name,),
            **more,
        }
    )


# --- The examples, from a flat list of layers ------------------------------------------------------------------------


@pytest.mark.parametrize("naming", [own_names, flat], ids=["named", "nameless"])
@pytest.mark.parametrize("name", ZOO)
def test_the_text_describes_the_network_and_is_not_much_longer_than_one_written_by_hand(name: str, naming: Any) -> None:
    network = example(name)
    text = spec_text(naming(network))
    found = loaded(text)
    assert figures(found) == figures(network)
    assert list(found.outputs.values()) == list(network.outputs.values())
    by_hand = lines(Path(examples.find_file(name)).read_text(encoding="utf-8"))
    assert lines(text) <= 2 * by_hand or name == "wavenet"  # its spec lists thirty skip connections by name


@pytest.mark.parametrize("naming", [own_names, flat], ids=["named", "nameless"])
@pytest.mark.parametrize("name", ZOO)
def test_folding_succeeds_and_is_exact(name: str, naming: Any) -> None:
    source = naming(example(name))
    network = convcalc.load(plain_spec(source))
    check_folds(source, network)


@pytest.mark.parametrize("naming", [own_names, torch_names, flat], ids=["own", "torchvision", "nameless"])
def test_resnet50_takes_at_most_sixty_lines(naming: Any) -> None:
    assert lines(spec_text(naming(example("resnet50")))) <= 60


@pytest.mark.parametrize("name", RESNETS)
def test_layers_with_weights_keep_the_names_of_torchvision(name: str) -> None:
    network = example(name)
    names = torchvision_names(network)
    pairs = [
        (found.name, names[node.name])
        for found, node in zip(loaded(spec_text(torch_names(network))).nodes, network.nodes, strict=True)
        if node.layer.weight_tensors() and ".downsample." not in names[node.name]  # their layers are only numbered
    ]
    assert [pair for pair in pairs if pair[0] != pair[1]] == []
    assert len(pairs) > 20


def test_resnet50_is_written_as_by_a_person() -> None:
    text = spec_text(torch_names(example("resnet50")))
    assert (
        "  - bottleneck: {mid_channels: 64, out_channels: 256, downsample: $(index == 0), repeat: 3, name: layer1}"
        in (text.splitlines())
    )
    assert text.count("bottleneck:") == 1 + 4


# --- What is written and what is omitted -----------------------------------------------------------------------------


def test_default_arguments_and_wires_to_the_previous_entry_are_omitted() -> None:
    conv = step("1", "conv", "x", out_channels=4, kernel_size=[3, 3], stride=[1, 1], padding=[[1, 1], [1, 1]], groups=1)
    pool = step("2", "maxpool", "1", kernel_size=[2, 2], stride=[2, 2])
    text = spec_text(graph(conv, pool))
    assert text.splitlines()[-3:] == [
        "layers:",
        "  - conv: {out_channels: 4, kernel_size: 3, padding: 1}",
        "  - maxpool: 2",
    ]


def test_values_that_differ_between_axes_are_listed() -> None:
    conv = step("1", "conv", "x", out_channels=4, kernel_size=[1, 3], padding=[[0, 0], [1, 2]])
    assert "{out_channels: 4, kernel_size: [1, 3], padding: [0, [1, 2]]}" in spec_text(graph(conv))


@pytest.mark.parametrize("name", ["Conv_0", "node_conv2d_12", "17", "conv2d_3", "/", "", "conv"])
def test_uninformative_names_are_dropped(name: str) -> None:
    conv = step(name, "conv", "x", out_channels=4, kernel_size=1)
    assert loaded(spec_text(graph(conv))).nodes[0].name == ("conv" if name == "conv" else "conv1")


def test_names_generated_by_an_exporter_are_dropped() -> None:
    conv = step("stem", "conv", "x", out_channels=4, kernel_size=1)._replace(named=False)
    assert loaded(spec_text(graph(conv))).nodes[0].name == "conv1"


@pytest.mark.parametrize(
    "name", ["stem", "yes", "null", "input", "previous", "a b", "1e3", "#5", "é", "x" * 500, "a:b"]
)
def test_any_name_of_a_source_becomes_a_legal_name(name: str) -> None:
    first, second = step(name, "relu", "x"), step("head", "tanh", name)
    last = step("sum", "add", f"{'head'} x")._replace(reads=("head", name, "x"))
    text = spec_text(graph(first, second._replace(reads=(name,)), last))
    assert [node.reads for node in loaded(text).nodes] == [(0,), (1,), (2, 1, 0)]


def test_comments_state_the_origin_and_what_is_not_expressed() -> None:
    text = spec_text(graph(step("1", "relu", "x"), origin="net.onnx\n- evil", notes=("Loop_3: a loop\x1b[31m",)))
    assert text.splitlines()[:2] == [r"# imported from net.onnx\x0a- evil", r"# unsupported: Loop_3: a loop\x1b[31m"]


def test_outputs_are_written_only_if_they_are_not_the_last_layer() -> None:
    steps = [step("stem", "relu", "x"), step("1", "tanh", "stem"), step("2", "relu", "1")]
    found = loaded(spec_text(graph(*steps, outputs=("2", "stem"))))
    assert list(found.outputs.values()) == [3, 1]
    assert "outputs" not in spec_text(graph(*steps))


def test_several_inputs_keep_their_names() -> None:
    steps = [step("1", "relu", "left"), step("2", "add", "1 right")]
    found = loaded(spec_text(graph(*steps, inputs={"left": (3, 4, 4), "right": (3, 4, 4)})))
    assert {name: shape.sizes for name, shape in found.inputs.items()} == {"left": (3, 4, 4), "right": (3, 4, 4)}


def test_shared_and_frozen_weights_are_preserved() -> None:
    conv = {"out_channels": 8, "kernel_size": 1}
    steps = [step("a.stem", "conv", "x", **conv), step("a.2", "relu", "a.stem"), step("3", "conv", "a.2", **conv)]
    steps[2] = steps[2]._replace(share="a.stem")
    steps[0] = steps[0]._replace(frozen=True)
    nodes = loaded(spec_text(graph(*steps))).nodes
    assert [(node.owner, node.frozen) for node in nodes] == [(None, True), (None, False), (0, False)]


def test_a_size_taken_from_another_layer_is_still_taken_from_it() -> None:
    steps = [
        step("1", "maxpool", "x", kernel_size=2),
        step("skip", "relu", "1"),
        step("3", "maxpool", "skip", kernel_size=2),
    ]
    text = spec_text(graph(*steps, step("4", "upsample", "3", like="skip")))
    assert "upsample: {like: skip}" in text


# --- Folding ---------------------------------------------------------------------------------------------------------


def chain(*kinds: str, first: int = 0, reads: str = "x") -> list[Step]:
    """A chain of layers; `conv8` is a convolution of 8 channels."""
    steps: list[Step] = []
    for number, kind in enumerate(kinds, first):
        arguments = {"out_channels": int(kind[4:]), "kernel_size": 3, "padding": 1} if kind.startswith("conv") else {}
        steps.append(Step(str(number), kind[:4] if arguments else kind, arguments, (reads,)))
        reads = str(number)
    return steps


def test_identical_repetition_becomes_a_repeated_sequence() -> None:
    text = spec_text(graph(*chain(*["conv8", "batchnorm", "relu"] * 5)))
    assert "blocks" not in text
    assert "    repeat: 5" in text.splitlines()


def test_repetition_with_other_numbers_becomes_a_block() -> None:
    kinds = [word for channels in (8, 16, 32, 64, 128) for word in (f"conv{channels}", "batchnorm", "relu")]
    text = spec_text(graph(*chain(*kinds)))
    assert [line for line in text.splitlines() if "conv_bn_relu: {" in line] == [
        f"  - conv_bn_relu: {{out_channels: {channels}}}" for channels in (8, 16, 32, 64, 128)
    ]


def test_a_difference_of_the_first_copy_becomes_an_expression_of_the_index() -> None:
    steps = chain(*["conv8", "batchnorm", "relu"] * 6)
    steps[0] = steps[0]._replace(arguments={**steps[0].arguments, "stride": 2})
    assert "stride: $(2 if index == 0 else 1)" in spec_text(graph(*steps))


def test_a_flag_and_an_equal_number_are_different_parameters() -> None:
    """1 equals true in Python: a parameter for one must not be used for the other."""
    blocks = []
    for number, (padding, groups) in enumerate([(1, 1), (0, 2), (1, 1), (0, 2)]):
        reads = "x" if not number else f"r{number - 1}"
        arguments = {"out_channels": 8, "kernel_size": 3 if padding else 1, "padding": padding, "groups": groups}
        blocks += [Step(f"c{number}", "conv", arguments, (reads,)), step(f"b{number}", "batchnorm", f"c{number}")]
        blocks += [step(f"r{number}", "relu", f"b{number}")]
    source = graph(*blocks)
    assert figures(loaded(spec_text(source))) == figures(convcalc.load(plain_spec(source)))


def test_a_skip_over_layers_that_change_the_size_is_read_by_name() -> None:
    names = spec_text(flat(example("unet_padded")))
    assert "branches" not in names


def test_interleaved_layers_of_branches_are_sorted_by_branch() -> None:
    a, b = chain("conv8", "relu", "conv8"), chain("conv8", "relu", "conv8", first=3)
    taking_turns = [one for pair in zip(a, b, strict=True) for one in pair]
    source = graph(*taking_turns, step("sum", "add", "2 5"))
    assert [found.name for found in sort_steps(source).steps] == ["0", "1", "2", "3", "4", "5", "sum"]
    assert "branches" in spec_text(sort_steps(source))
    assert "branches" not in spec_text(source)


def test_sorting_keeps_owners_above_and_unread_layers() -> None:
    conv = {"out_channels": 8, "kernel_size": 1}
    steps = [step("unread", "relu", "x"), step("owner", "conv", "x", **conv), step("user", "conv", "x", **conv)]
    source = graph(*steps[:2], steps[2]._replace(share="owner"), outputs=("user",))
    assert [found.name for found in sort_steps(source).steps] == ["owner", "user", "unread"]


class InvertedResiduals:
    """A random network in the style of MobileNetV2: stages of inverted residuals, with or without norms."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.steps: list[Step] = []
        self.last, self.channels = "x", 8
        self.with_norms, self.with_activations = self.random.random() < 0.2, self.random.random() < 0.7
        self.add("conv", "0", out_channels=8, kernel_size=3, stride=2, padding=1)
        for stage in range(self.random.randint(2, 7)):
            self.add_stage(stage)

    def add(self, kind: str, scope: str, **arguments: Any) -> None:
        """Append a layer; a convolution is followed by its norm and activation."""
        name = f"{scope}.{len(self.steps)}"
        self.steps.append(step(name, kind, self.last, **arguments))
        self.last = name
        if "conv" in kind and self.with_norms:
            self.add("batchnorm", scope)
        if kind in ("conv", "depthwise_conv") and self.with_activations:
            self.add("relu6", scope)

    def add_stage(self, stage: int) -> None:
        """Append inverted residuals, the first of which may change the size."""
        out_channels = self.random.choice([self.channels, self.channels + 8, 2 * self.channels])
        ratio, kernel = self.random.choice([1, 2, 4, 6]), self.random.choice([3, 3, 5])
        for copy in range(self.random.choice([stage + 1, self.random.randint(1, 4)])):
            scope, source = f"{stage}.{copy}", self.last
            stride = self.random.choice([1, 1, 2]) if copy == 0 else 1
            if ratio > 1:
                self.add("pointwise_conv", scope, out_channels=ratio * self.channels)
            self.add("depthwise_conv", scope, kernel_size=kernel, stride=stride, padding=kernel // 2)
            self.add("pointwise_conv", scope, out_channels=out_channels)
            if stride == 1 and out_channels == self.channels:
                self.steps.append(step(f"{scope}.add", "add", f"{source} {self.last}"))
                self.last = f"{scope}.add"
            self.channels = out_channels
        if self.random.random() < 0.3:
            self.add("relu", str(stage))


@pytest.mark.parametrize("seed", range(80))
def test_inverted_residuals_are_folded_exactly(seed: int) -> None:
    source = graph(*InvertedResiduals(seed).steps, inputs={"x": (3, 256, 256)})
    check_folds(source, convcalc.load(plain_spec(source)))


def test_a_network_that_cannot_be_folded_is_written_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise IndexError

    source = graph(*chain(*["conv8", "batchnorm", "relu"] * 5))
    monkeypatch.setattr("convcalc.convert.decompile.spec_writer.Folder.fold", fail)
    text = spec_text(source)
    assert text.count("conv:") == 5
    assert is_exact(text, convcalc.load(plain_spec(source)))


def test_a_network_is_written_whole_if_the_search_for_repetition_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_folding, "_MAX_VISITS", 50_000)  # which several rounds reach
    random, count = Random(1), 800
    kinds = random.choices(["relu", "tanh", "sigmoid", "elu", "conv4", "conv8"], k=count)
    source = graph(*chain(*kinds))
    assert len(loaded(spec_text(source)).nodes) == count


def test_deeply_nested_branches_are_written() -> None:
    steps = chain(*["relu"] * 300)
    reads = steps[-1].name
    for number in range(300):
        steps.append(Step(f"a{number}", "add", {}, (reads, steps[299 - number].name)))
        reads = f"a{number}"
    assert len(loaded(spec_text(graph(*steps))).nodes) == 600


# --- Any graph -------------------------------------------------------------------------------------------------------


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}),
    ("batchnorm", {}),
    ("dropout", {"p": 0.25}),
    ("opaque", {"output_shape": [8, 6, 6], "what": "a $b"}),
]
PARTS = ["stage", "0", "1", "yes", "conv1", "previous", "a:b", "x", ""]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of size-preserving layers, with repeated motifs, reads of any earlier tensor, and arbitrary names."""
    motif = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=5))
    copies = draw(st.integers(1, 5))
    prefixes = draw(st.lists(st.sampled_from(PARTS), max_size=3))
    steps: list[Step] = []
    names = ["x"]
    for copy in range(copies):
        for place, (kind, back) in enumerate(motif):
            if draw(st.integers(0, 9)) == 0:
                kind = draw(st.integers(0, 5))
            reads: tuple[str, ...] = (names[-1],)
            if kind < 4:
                word, arguments = KINDS[kind]
            elif kind == 4:
                word, arguments = "add", {}
                reads = (names[-1], names[-min(back, len(names))])
            else:
                size = draw(st.sampled_from([1, 3]))
                word, arguments = "conv", {"out_channels": 8, "kernel_size": size, "padding": size // 2}
            name = ".".join([*prefixes, str(copy), f"{draw(st.sampled_from(PARTS))}{place}_{len(steps)}"])
            steps.append(Step(name, word, arguments, reads, named=draw(st.booleans())))
            names.append(name)
    outputs = {names[-1], draw(st.sampled_from(names[1:]))}
    return graph(*steps, outputs=tuple(sorted(outputs)))


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_any_graph_is_written_exactly(source: Graph) -> None:
    for ordered in (source, sort_steps(source)):
        network = convcalc.load(plain_spec(ordered))
        check_folds(ordered, network)
        assert is_exact(spec_text(ordered), network)


# --- YAML ------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=60, deadline=None)
def test_hostile_texts_are_written_as_text(name: str, what: str) -> None:
    opaque = step("1", "opaque", "x", output_shape=[2], what=what)
    found = loaded(spec_text(graph(opaque, name=name, origin=name, notes=(what,))))
    assert found.nodes[0].layer.arguments()["what"].isprintable()
    assert found.name.isprintable()
