"""The models of the installed package of Ultralytics: params, MACs and names equal those of the package itself."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from convcalc.analysis.report import analyse
from convcalc.convert.graph import Graph, plain_spec
from convcalc.convert.ultralytics import reader
from convcalc.convert.ultralytics.file_names import find_scale_letter
from convcalc.problems import InvalidSpec
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network
from tests.oracle import ultralytics_package as package
from tests.support import ultralytics_models as models

pytestmark = [pytest.mark.torch, pytest.mark.ultralytics]
# in the files of models that read a text, of RT-DETR, and of a backbone of torchvision
UNSUPPORTED = ("YOLOE", "World", "C2fAttn", "HGStem", "AIFI", "RTDETR", "TorchVision")
FAMILIES = ("v3", "v5", "v6", "v8", "v9", "v10", "11", "12", "26")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return package.load_package(tmp_path_factory.mktemp("settings"))


def assert_same(graph: Graph, measured: package.Measured) -> None:
    network = read_network(Document(plain_spec(graph)))
    found = analyse(network)
    assert graph.notes == ()
    assert found.totals.params == sum(measured.params.values())
    assert found.totals.macs == measured.macs
    assert found.totals.multiplications is not None
    assert found.totals.additions is not None
    assert found.totals.trainable_params == found.totals.params - sum(measured.params[name] for name in measured.frozen)
    for step, layer in zip(graph.steps, found.layers, strict=True):
        name = step.name.replace(".dfl.0", ".dfl")  # which is a layer per level here
        theirs = sum(count for key, count in measured.params.items() if f"{key}.".startswith(f"{name}."))
        assert layer.params in (0, theirs), step.name


@pytest.mark.parametrize("family", FAMILIES)
def test_every_file_and_scale_agrees(family: str, tasks: Any) -> None:
    compared = 0
    for file in package.list_files(tasks):
        text = file.read_text(encoding="utf-8")
        if file.parent.name != family or any(name in text for name in UNSUPPORTED):
            continue
        description = tasks.YAML.load(file)
        for scale in description.get("scales") or [""]:
            assert_same(reader.read(str(file), scale=scale or None), package.measure(tasks, description, scale))
            compared += 1
    assert compared >= 2


def test_the_letter_in_a_name_is_the_one_that_the_package_finds(tasks: Any) -> None:
    for stem, letter, ending in product(("yolov8", "yolo11", "yoloe-26", "net", "yolo"), "nsmlxbq", ("", "-seg", "s")):
        name = f"{stem}{letter}{ending}.yaml"
        assert find_scale_letter(name) == tasks.guess_model_scale(name), name


MODULES = {  # arguments of each module for c channels; the input has 64
    "Conv": ["[{c}, 3, 2]", "[{c}, [1, 5]]", "[{c}, 3, 1, None, 4, 2]", "[{c}, 1, 1, 0, 1, 1, False]"],
    "Conv2": ["[64, 64, 3, 2]"],
    "DWConv": ["[{c}, 5, 2]", "[{c}, 3, 1, 2, False]"],
    "ConvTranspose": ["[{c}]", "[{c}, 3, 2, 1, False]"],
    "DWConvTranspose2d": ["[{c}, 2, 2]", "[{c}, 3, 2, 1, 1]"],
    "Focus": ["[{c}, 3]"],
    "GhostConv": ["[{c}, 3, 2]"],
    "RepConv": ["[64, 64]", "[64, 64, 3, 1, 1, 1, 1, True, True]"],
    "RepVGGDW": ["[64]"],
    "SCDown": ["[{c}, 3, 2]"],
    "AConv": ["[{c}]"],
    "ADown": ["[{c}]"],
    "Bottleneck": ["[{c}]", "[{c}, False, 2]", "[{c}, True, 1, [1, 3], 0.25]"],
    "BottleneckCSP": ["[{c}]", "[{c}, False, 2, 0.25]"],
    "GhostBottleneck": ["[{c}, 3, 2]", "[128, 5]"],
    "C1": ["[{c}]"],
    "C2": ["[{c}]", "[{c}, False, 2, 0.25]"],
    "C2f": ["[{c}]", "[{c}, True, 2, 0.25]"],
    "C2fCIB": ["[{c}, True]", "[{c}, True, True]"],
    "C3": ["[{c}]", "[{c}, False, 2, 0.25]"],
    "C3x": ["[{c}, True, 2]"],
    "C3Ghost": ["[{c}]"],
    "C3k2": [
        "[{c}]",
        "[{c}, True]",
        "[{c}, False, 0.25]",
        "[{c}, False, 0.5, True]",
        "[{c}, True, 0.5, False, 2, False]",
    ],
    "RepC3": ["[{c}]", "[{c}, 0.5]"],
    "ELAN1": ["[{c}, 64, 24]"],
    "RepNCSPELAN4": ["[{c}, 64, 32, 2]"],
    "SPP": ["[{c}]", "[{c}, [3, 7]]"],
    "SPPF": ["[{c}]", "[{c}, 3, 2, True]", "[128, 5, 3, True]"],
    "SPPELAN": ["[{c}, 48, 3]"],
    "PSA": ["[256]"],
    "C2PSA": ["[256]"],
    "C2fPSA": ["[256]"],
    "A2C2f": ["[{c}, True, 4]", "[{c}, False, -1]", "[{c}, True, 1, True, 1.5]"],
    "nn.BatchNorm2d": ["[64]"],
    "nn.ConvTranspose2d": ["[{c}, 2, 2, 0]"],
    "nn.MaxPool2d": ["[3, 2, 1]"],
    "nn.AvgPool2d": ["[2]"],
    "nn.Upsample": ["[None, 2, bilinear]"],
    "nn.ZeroPad2d": ["[[0, 1, 2, 3]]", "[1]"],
    "nn.Identity": ["[]"],
    "nn.SiLU": ["[]"],
    "nn.LeakyReLU": ["[0.2]"],
}


CASES = [
    (module, form.format(c=channels), number, scale)
    for module, forms in MODULES.items()
    for form in forms
    for channels, number, scale in ((128, 5, "n"), (192, 1, "m"), (64, 1, "x"))
]


@pytest.mark.parametrize(("module", "arguments", "number", "scale"), CASES)
def test_a_module_agrees(module: str, arguments: str, number: int, scale: str, tasks: Any, tmp_path: Path) -> None:
    first = 256 if arguments == "[256]" else 128
    scales = dict.fromkeys("nmx", (0.5, 0.5, 512))
    lines = [f"-1, 1, Conv, [{first}, 3, 2]", f"-1, {number}, {module}, {arguments}", "-1, 1, Conv, [32, 3, 2]"]
    file = tmp_path / "net.yaml"
    file.write_text(models.model(lines, ["[2], 1, Detect, [nc]"], scales), encoding="utf-8")
    try:
        measured = package.measure(tasks, tasks.YAML.load(file), scale)
    except (AssertionError, RuntimeError):  # channels that do not fit
        with pytest.raises(InvalidSpec):
            reader.read(str(file), scale=scale)
        return
    assert_same(reader.read(str(file), scale=scale), measured)
