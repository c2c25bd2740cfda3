"""Ultralytics YAML: published params and GFLOPs, names, mistakes at their places, and limits."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from convcalc.analysis.report import Report, analyse
from convcalc.cli.main import run
from convcalc.convert.graph import Graph, NotImported, plain_spec
from convcalc.convert.ultralytics import reader, scope, signatures
from convcalc.problems import InvalidSpec
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network
from tests.support import ultralytics_models as models

# params and GFLOPs in the comments of the model files of the package, version 8.4
PUBLISHED = {
    "yolov8": {
        "n": (3_157_200, 8.9),
        "s": (11_166_560, 28.8),
        "m": (25_902_640, 79.3),
        "l": (43_691_520, 165.7),
        "x": (68_229_648, 258.5),
    },
    "yolov8_ghost": {
        "n": (1_865_316, 5.8),
        "s": (5_960_072, 16.4),
        "m": (10_336_312, 32.7),
        "l": (14_277_872, 53.7),
        "x": (22_229_308, 83.3),
    },
    "yolov9t": {"": (2_128_720, 8.5)},
    "yolo11": {
        "n": (2_624_080, 6.6),
        "s": (9_458_752, 21.7),
        "m": (20_114_688, 68.5),
        "l": (25_372_160, 87.6),
        "x": (56_966_176, 196.0),
    },
    "yolo12": {
        "n": (2_602_288, 6.7),
        "s": (9_284_096, 21.7),
        "m": (20_199_168, 68.1),
        "l": (26_450_784, 89.7),
        "x": (59_210_784, 200.3),
    },
    "yolo26": {
        "n": (2_572_280, 6.1),
        "s": (10_009_784, 22.8),
        "m": (21_896_248, 75.4),
        "l": (26_299_704, 93.8),
        "x": (58_993_368, 209.5),
    },
}
# version, head, settings, params and GFLOPs of scale n; the 10.5 in the file of yolo11-seg is of another revision
HEADS: dict[str, tuple[Callable[..., str], str, dict[str, object], int, float | None]] = {
    "yolo11-seg": (models.yolo11, "Segment, [nc, 32, 256]", {}, 2_876_848, None),
    "yolo11-obb": (models.yolo11, "OBB, [nc, 1]", {}, 2_695_747, 6.9),
    "yolo11-pose": (models.yolo11, "Pose, [nc, kpt_shape]", {"kpt_shape": [17, 3]}, 2_908_507, 7.7),
    "yolo26-seg": (models.yolo26, "Segment26, [nc, 32, 256]", {}, 3_126_280, 10.5),
    "yolo26-pose": (models.yolo26, "Pose26, [nc, kpt_shape]", {"kpt_shape": [17, 3]}, 3_747_554, 10.7),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, scale: str | None = None, name: str = "net.yaml", **options: object) -> Graph:
    Path(name).write_text(text, encoding="utf-8")
    return reader.read(name, scale=scale, **options)  # type: ignore[arg-type]


def report(graph: Graph) -> Report:
    return analyse(read_network(Document(plain_spec(graph))))


def gigaflops(found: Report) -> float:
    """The package's figure: 2 per MAC of a convolution, not of attention, and 8 per value of a batch norm."""
    macs = normalised = 0
    for layer in found.layers:
        assert layer.macs is not None
        macs += 0 if "attention" in layer.name else layer.macs
        normalised += layer.layer.output.elements if layer.kind == "batchnorm" else 0
    return (2 * macs + 8 * normalised) / 1e9


@pytest.mark.parametrize(("version", "scale"), [(name, letter) for name in PUBLISHED for letter in PUBLISHED[name]])
def test_a_detector_has_its_published_params_and_gflops(version: str, scale: str) -> None:
    params, flops = PUBLISHED[version][scale]
    graph = read(getattr(models, version)(), scale or None)
    found = report(graph)
    assert graph.notes == ()
    assert found.totals.params == params
    assert gigaflops(found) == pytest.approx(flops, abs=0.06)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_its_published_params(name: str) -> None:
    make, head, settings, params, flops = HEADS[name]
    found = report(read(make(head, settings), "n"))
    assert found.totals.params == params
    assert flops is None or gigaflops(found) == pytest.approx(flops, abs=0.06)


def small(*lines: str, head: str = "[-1], 1, Concat, [1]", **settings: object) -> str:
    return models.model(lines, [head], settings=settings)


def test_layers_have_the_names_of_the_state_dict() -> None:
    graph = read(
        small("-1, 1, Conv, [8, 3, 2]", "-1, 1, C2f, [8, True]", "-1, 2, Conv, [8]", head="[2], 1, Detect, [nc]")
    )
    names = [step.name for step in graph.steps]
    assert names[:3] == ["model.0.conv", "model.0.bn", "model.0.act"]
    expected = ["model.1.cv1.bn", "model.1.m.0.cv2.conv", "model.2.1.conv", "model.3.cv2.0.0.bn", "model.3.cv3.0.2"]
    assert set(expected) < set(names)


def test_the_outputs_are_the_maps_of_each_level_and_their_fields_are_known() -> None:
    found = report(read(models.yolov8(), "n"))
    by_name = {layer.name: layer for layer in found.layers}
    levels = [by_name[f"model_22_level_{level}"] for level in range(3)]
    assert [str(level.layer.output) for level in levels] == ["84×80×80", "84×40×40", "84×20×20"]
    assert [level.receptive_field.jump for level in levels] == [((8, 1),) * 2, ((16, 1),) * 2, ((32, 1),) * 2]
    assert found.totals.additions is not None
    assert found.totals.trainable_params == 3_157_184  # published as "gradients"; the 16 weights of DFL are constants


@pytest.mark.parametrize(("name", "size"), [("Classify, [nc]", 224), ("Detect, [nc]", 640)])
def test_an_image_has_the_usual_size_of_its_task(name: str, size: int) -> None:
    text = small("-1, 1, Conv, [8, 3, 2]", head=f"{'-1' if 'Classify' in name else '[-1]'}, 1, {name}", ch=4)
    assert read(text).inputs == {"images": (4, size, size)}


def test_an_input_is_chosen_by_its_shape() -> None:
    text = small("-1, 1, Conv, [8, 3, 2]")
    for shapes in ({None: (1, 64, 32)}, {"images": (1, 64, 32)}):
        assert read(text, inputs=shapes).inputs == {"images": (1, 64, 32)}
    with pytest.raises(NotImported, match="there is no input left"):
        read(text, inputs={"left": (3, 64, 64)})
    with pytest.raises(NotImported, match="batch"):
        read(text, inputs={None: (1, 3, 64, 64)})


# -- scales, repeats and activations

SCALES = {"n": (0.33, 0.25, 1024), "m": (0.67, 0.35, 512)}


@pytest.mark.parametrize(
    ("name", "letter"), [("yolov8m.yaml", "m"), ("yolov8m-seg.yaml", "m"), ("yoloe-11m.yaml", "m"), ("mine.yaml", "n")]
)
def test_the_scale_is_the_letter_in_the_name_of_the_file_else_the_first(name: str, letter: str) -> None:
    graph = read(models.model(["-1, 1, Conv, [1024, 3]"], ["[-1], 1, Concat, [1]"], SCALES), name=name)
    channels = {"n": 256, "m": 184}[letter]  # min(1024, 512) × 0.35 = 179.2, rounded up to a multiple of 8
    assert graph.steps[0].arguments["out_channels"] == channels
    assert graph.origin == f"{name} (Ultralytics, scale {letter})"


def test_a_name_with_a_scale_stands_for_the_file_without_it() -> None:
    Path("yolov8.yaml").write_text(models.yolov8(), encoding="utf-8")
    assert report(reader.read("yolov8s.yaml")).totals.params == 11_166_560
    assert reader.read("yolov8s.yaml").name == "yolov8s"
    with pytest.raises(FileNotFoundError):
        reader.read("yolov9s.yaml")


def test_an_unknown_scale_is_an_error() -> None:
    with pytest.raises(NotImported, match="there is no scale q: the file has n, s, m, l, x"):
        read(models.yolov8(), "q")
    with pytest.raises(NotImported, match="the file has no scales"):
        read(models.yolov9t(), "n")


@pytest.mark.parametrize(
    ("number", "depth", "repeats"), [(1, 0.33, 1), (2, 0.33, 1), (6, 0.33, 2), (9, 0.5, 4), (0, 2, 0)]
)
def test_repeats_are_scaled_and_rounded_to_even(number: int, depth: float, repeats: int) -> None:
    graph = read(small("-1, 1, Conv, [8]", f"-1, {number}, C2f, [8]", depth_multiple=depth))
    assert sum(step.name.endswith("cv1.conv") and ".m." in step.name for step in graph.steps) == repeats


def test_the_number_of_classes_is_not_scaled() -> None:
    graph = read(small("-1, 1, Conv, [81]", "-1, 1, Conv, [82]", nc=81, width_multiple=0.5))
    assert [step.arguments["out_channels"] for step in graph.steps if step.kind == "conv"] == [81, 48]


@pytest.mark.parametrize(
    ("call", "kind", "arguments"),
    [
        ("nn.ReLU()", "relu", {}),
        ("torch.nn.ReLU(inplace=True)", "relu", {}),
        ("nn.LeakyReLU(0.1)", "leaky_relu", {"negative_slope": 0.1}),
        ("nn.GELU()", "gelu", {}),
    ],
)
def test_an_activation_is_read_without_running_it(call: str, kind: str, arguments: dict[str, float]) -> None:
    graph = read(small("-1, 1, Conv, [8]", activation=call))
    assert (graph.steps[-1].kind, graph.steps[-1].arguments) == (kind, arguments)


def test_a_users_own_module_is_mapped_to_a_supported_one() -> None:
    text = small("-1, 1, Conv, [8]", "-1, 2, Mine, [8]")
    assert read(text, aliases={"Mine": "C2f"}).steps == read(text.replace("Mine", "C2f")).steps
    with pytest.raises(NotImported, match="Mine cannot be mapped to C2fx: unknown module, did you mean C2f"):
        read(text, aliases={"Mine": "C2fx"})


# -- mistakes

MISTAKES = {  # the wrong entry, which is on line 4 from column 5 on: line and column, message, hint
    "-1, 1, Cnv, [8]": ("4:13", "unknown module Cnv", "did you mean Conv?"),
    "-1, 1, nn.Conv3d, [8]": ("4:13", "unknown module nn.Conv3d", ""),
    "9, 1, Conv, [8]": ("4:6", "layer 1 cannot read 9: there is no such layer before it", "the last one is 0"),
    "-3, 1, Conv, [8]": ("4:6", "layer 1 cannot read -3: there is no such layer before it", "the last one is 0"),
    "[-1, 1], 1, Concat, [1]": ("4:11", "layer 1 cannot read 1: there is no such layer before it", ""),
    "x, 1, Conv, [8]": ("4:6", "from must be the number of a layer; got 'x'", ""),
    "[], 1, Concat, [1]": ("4:6", "from must name at least one layer", ""),
    "-1, many, Conv, [8]": ("4:10", "number must be a number of repeats; got 'many'", ""),
    "-1, 1, 5, [8]": ("4:13", "module must be a name; got 5", ""),
    "-1, 1, Conv, 8": ("4:19", "arguments must be a list; got 8", ""),
    "-1, 1, Conv": ("4:5", "an entry must be a list of 4 items; got 3 items", ""),
    "-1, 1, Conv, []": ("4:19", "Conv takes 1 to 7 arguments; got 0", "[c2, k=1, s=1, p=None, g=1, d=1, act=True]"),
    "-1, 1, AConv, [8, 3]": ("4:20", "AConv takes 1 argument; got 2", ""),
    "-1, 1, nn.Sigmoid, [8]": ("4:25", "nn.Sigmoid takes no arguments; got 1", ""),
    "-1, 1, Conv, [8, big]": ("4:23", "k of Conv must be an integer or a list of integers; got 'big'", ""),
    "-1, 1, C2f, [8, 3]": ("4:22", "shortcut of C2f must be True or False; got 3", ""),
    "-1, 1, C3k2, [8, True, half]": ("4:29", "e of C3k2 must be a number; got 'half'", ""),
    "-1, 1, Bottleneck, [8, True, 1, [3]]": ("4:38", "k of Bottleneck must be a list of 2 integers", ""),
    "-1, 1, Conv, [8, 3, 1, 1, 3]": ("4:5", "model.1.conv: groups 3 does not divide the 8 input channels", ""),
    "-1, 1, Conv, [8, 900, 1, 0]": ("4:5", "model.1.conv: kernel of 900 does not fit", "output size: "),
    "[-1], 1, Conv, [8]": ("4:5", "Conv reads one layer, not a list", ""),
    "-1, 1, Concat, [1]": ("4:5", "Concat reads a list of layers: [-1]", ""),
    "[-1, 0], 1, Concat, [2]": ("4:27", "only dimension 1 (the channels) is supported; got 2", ""),
    "[-1, 0], 2, Concat, [1]": ("4:5", "Concat cannot be repeated", ""),
    "-1, 1, C2PSA, [16]": ("4:5", "model.1: the output must have the 8 channels of the input; got 16", ""),
    "-1, 1, C2PSA, [8]": ("4:5", "model.1: attention needs at least 64 hidden channels; got 4", ""),
    "-1, 1, A2C2f, [80]": ("4:5", "model.1: 32 must divide the hidden channels; got 40", ""),
    "-1, 2, Conv, [16]": ("4:5", "Conv is repeated, so its output must have the 8 channels of its input; got 16", ""),
    "-1, 1, RepConv, [4, 8]": ("4:23", "model.1: its input has 8 channels, but c1 is 4", ""),
    "[-1], 1, Pose, [nc, [17, 4]]": ("4:5", "kpt_shape must be [number of keypoints, 2 or 3]; got [17, 4]", ""),
    "-1, 1, nn.ZeroPad2d, [[1, 2]]": ("4:5", "padding must be an integer or [left, right, top, bottom]", ""),
}


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidSpec) as found:
        read(text)
    return str(found.value).splitlines()


@pytest.mark.parametrize("entry", MISTAKES)
def test_a_mistake_is_reported_at_its_place_in_the_file(entry: str) -> None:
    place, message, hint = MISTAKES[entry]
    found, *others = problems(small("-1, 1, Conv, [8]", entry))
    assert others == []
    assert found.startswith(f"net.yaml:{place}: ")
    assert message in found
    assert hint in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nc: 80\nbackbone: []\n", "net.yaml:1:1: head is missing"),
        ("nc: 80\nbackbone: 5\nhead: []\n", "net.yaml:2:11: backbone must be a list of entries; got 5"),
        ("nc: many\nbackbone: []\nhead: []\n", "net.yaml:1:5: nc must be an integer; got 'many'"),
        ("nc: 0\nbackbone: []\nhead: []\n", "net.yaml:1:5: nc must be a positive integer; got 0"),
        ("nc: 1\nscales: 5\nbackbone: []\nhead: []\n", "net.yaml:2:9: scales must be a mapping; got 5"),
        ("nc: 1\nscales: {n: [1, 1]}\nbackbone: []\nhead: []\n", "net.yaml:2:13: a scale must be a list of 3 numbers"),
        ("nc: 1\nscales: {n: [1, x, 9]}\nbackbone: []\nhead: []\n", "net.yaml:2:17: a positive number is needed"),
        ("nc: 1\nwidth_multiple: -1\nbackbone: []\nhead: []\n", "net.yaml:2:17: a positive number is needed; got -1"),
        (
            "nc: 1\nactivation: __import__('os').system('true')\nbackbone: []\nhead: []\n",
            "net.yaml:2:13: unsupported activation",
        ),
        ("nc: 1\nbackbone: [\nhead: []\n", "net.yaml:"),
        ("nc: 1\nnc: 2\nbackbone: []\nhead: []\n", "net.yaml:2:1: the key nc is written twice"),
    ],
)
def test_a_mistake_outside_of_the_entries_is_reported(text: str, message: str) -> None:
    assert problems(text)[0].startswith(message)


def test_all_mistakes_are_reported_together_but_not_what_follows_from_them() -> None:
    text = small("-1, 1, Cnv, [8]", "-1, 1, Conv, [8, 3, 2]", "-1, 1, Conv, [x]", "99, 1, Conv, [8]")
    assert [line.split(": ")[0] for line in problems(text)] == ["net.yaml:3:13", "net.yaml:5:20", "net.yaml:6:6"]


def test_import_shows_the_lines_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text(small("-1, 1, Cnv, [8]"), encoding="utf-8")
    assert run(["import", "net.yaml"]) == 1
    assert capsys.readouterr().err == (
        "net.yaml:3:13: unknown module Cnv\n"
        "   3 |   - [-1, 1, Cnv, [8]]\n"
        "     |             ^^^\n"
        "   = did you mean Conv?\n"
    )


# -- the command


def test_import_writes_a_spec_of_the_same_network(capsys: pytest.CaptureFixture[str]) -> None:
    Path("yolov8.yaml").write_text(models.yolov8(), encoding="utf-8")
    assert run(["import", "yolov8n.yaml", "-o", "spec.yaml"]) == 0
    assert run(["summary", "spec.yaml"]) == 0
    assert "3,157,200" in capsys.readouterr().out
    assert run(["import", "yolov8.yaml", "--scale", "s", "-o", "spec.yaml", "--input", "3,320,320"]) == 0
    assert run(["summary", "spec.yaml"]) == 0
    assert "11,166,560" in capsys.readouterr().out


def test_import_maps_modules(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.yaml").write_text(small("-1, 1, Mine, [8, 3]"), encoding="utf-8")
    assert run(["import", "net.yaml", "--map", "Mine=Conv"]) == 0
    assert "out_channels: 8" in capsys.readouterr().out
    for options, message in {
        ("--map", "Mine"): "--map must be NAME=MODULE; got 'Mine'",
        ("--map", "A=Conv", "--map", "A=C2f"): "--map is given twice for 'A'",
        ("--map", "Mine=Cnv"): "net.yaml: Mine cannot be mapped to Cnv: unknown module, did you mean Conv?",
        ("--scale", "n"): "net.yaml: there is no scale n: the file has no scales",
    }.items():
        assert run(["import", "net.yaml", *options]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("aliases=3", "aliases must map names of modules to names, such as {Mine: C2f}; got 3"),
        ("aliases={Mine: 3}", "aliases must map names of modules to names"),
        ("scale=5", "scale must be the letter of a scale, such as n; got 5"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_refused(
    setting: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("net.yaml").write_text(small("-1, 1, Conv, [8, 3]"), encoding="utf-8")
    assert run([f"net.yaml@{setting}"]) == 2
    assert message in capsys.readouterr().err


def test_scale_and_map_are_refused_for_other_files(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.json").write_text('{"class_name": "Sequential"}', encoding="utf-8")
    for arguments in (["net.json", "--scale", "n"], ["--torch", "a:b", "--input", "3,8,8", "--map", "A=Conv"]):
        assert run(["import", *arguments]) == 2
        assert "--scale and --map are only for an Ultralytics YAML" in capsys.readouterr().err


# -- limits and hostile files


def test_the_number_of_layers_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "MOST_LAYERS", 30)
    assert len(read(small("-1, 10, Conv, [8]", ch=8)).steps) == 30
    for text in (small("-1, 11, Conv, [8]", ch=8), small("-1, 1000000, C2f, [8]", depth_multiple=1000000000)):
        with pytest.raises(NotImported, match="more than 30 layers"):
            read(text)


def test_numbers_and_lists_are_limited() -> None:
    most = signatures.MOST_SIZES
    for entry, wrong in {
        "-1, {}, Conv, [8]": ("1000000", "1000001"),
        "-1, 1, Conv, [{}]": ("1000000000", "1000000001"),
        "-1, 1, SPP, [8, {}]": (str([1] * most), str([1] * (most + 1))),
    }.items():
        accepted, refused = (small("-1, 1, Conv, [8]", entry.format(value)) for value in wrong)
        with suppress(NotImported):  # a million layers exceed another limit
            read(accepted)
        assert problems(refused)


def test_the_number_of_reported_problems_is_limited() -> None:
    for count in (999, 1000, 1500):
        assert len(problems(small(*["-1, 1, Cnv, [8]"] * count))) == min(count, 1000)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("[1, 1], 1, CBFuse, [[0]]", "the last input of CBFuse must have one output"),
        ("[1, 0], 1, CBFuse, [[2]]", "input 0 of CBFuse has 2 tensors, numbered from 0; got 2"),
        ("[1, 0], 1, CBFuse, [[0, 1]]", "idx must have one number per input but the last, 1; got 2"),
        ("-1, 1, Conv, [8]", "Conv cannot read a layer with several outputs; only CBFuse can"),
    ],
)
def test_the_tensors_of_cb_linear_are_checked_where_they_are_read(entry: str, message: str) -> None:
    found = problems(small("-1, 1, Conv, [8]", "-1, 1, CBLinear, [[8, 16]]", entry))
    assert found[0].split(": ", 1)[1].startswith(message)


def test_the_size_of_a_file_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    text = small("-1, 1, Conv, [8]")
    monkeypatch.setattr(reader, "MOST_BYTES", len(text))
    assert read(text).steps
    with pytest.raises(NotImported, match="larger than"):
        read(text + " ")


def test_a_file_must_be_utf8() -> None:
    Path("net.yaml").write_bytes(small("-1, 1, Conv, [8]").encode() + b"# \xff")
    with pytest.raises(NotImported, match="not UTF-8: byte 0xff"):
        reader.read("net.yaml")


@pytest.mark.parametrize("value", ["nn.ReLU(" + " " * 200_000, "(1" + " " * 200_000, "[" + "1, " * 60_000])
def test_long_texts_do_not_hang(value: str) -> None:
    problems(small(f'-1, 1, Conv, ["{value}"]', activation=f'"{value}"'))


def test_hostile_names_are_escaped() -> None:
    found = problems(small('-1, 1, "\\e[31mred\\u202e", [8]'))
    assert "\\x1b[31mred\\u202e" in found[0]


def test_altered_files_are_read_or_refused_without_another_error() -> None:
    random, text = Random(13), models.yolo26()
    pieces = [
        "[",
        "]",
        ",",
        "-1",
        "0",
        "1e9",
        "-7",
        "nc",
        "Concat",
        "CBLinear",
        "CBFuse",
        "nn.Upsample",
        "None",
        "[[2]]",
    ]
    for _ in range(150):
        altered = text
        for _ in range(random.randint(1, 3)):
            lines = altered.splitlines()
            place = random.randrange(6, len(lines))
            words = lines[place].split(" ")
            words[random.randrange(2, len(words)) if len(words) > 2 else 0] = random.choice(pieces) + random.choice(
                ",] "
            )
            lines[place] = " ".join(words)
            altered = "\n".join(lines)
        with suppress(InvalidSpec, NotImported):
            read(altered, "n")
