"""Measures models of the installed package of Ultralytics on the meta device. Nothing of it is stored here."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

OWN_SIZE = {"Classify": 224}
_MODELS = {"Classify": "ClassificationModel", "SemanticSegment": "SemanticSegmentationModel", "Depth": "DepthModel"}
_FAMILIES = {"Segment": "SegmentationModel", "Pose": "PoseModel", "OBB": "OBBModel"}


class Measured(NamedTuple):
    """The params of a model by name, the names of those that are not trained, and its MACs."""

    params: dict[str, int]
    frozen: list[str]
    macs: int


def load_package(folder: Path) -> Any:
    """Return the module of the package that builds models; skip the test if it cannot be imported.

    The package writes its settings into `folder`, and is kept from using the network.
    """
    os.environ.update(YOLO_CONFIG_DIR=str(folder), YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from ultralytics.nn import tasks
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"compares with the package of Ultralytics: pip install ultralytics ({error})")
    return tasks


def list_files(tasks: Any) -> Iterator[Path]:
    """Yield the model files of the package."""
    yield from sorted((Path(tasks.__file__).parents[1] / "cfg" / "models").rglob("*.yaml"))


def measure(tasks: Any, description: dict[str, Any], scale: str) -> Measured:
    """Return what the package says about a model, which is given as the values of its YAML."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    values = {**description, "scale": scale, "yaml_file": "model.yaml"}
    head = values["head"][-1][2].removesuffix("26")
    name = _MODELS.get(head) or _FAMILIES.get(head, "DetectionModel")
    with torch.device("meta"), warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        for kind in (tasks.Detect, tasks.v10Detect, tasks.SemanticSegment, tasks.Depth):
            if hasattr(kind, "bias_init"):  # it reads numbers, which there are none of on the meta device
                patch.setattr(kind, "bias_init", lambda self: None)
        model = getattr(tasks, name)(values, ch=values.get("ch", 3), verbose=False).eval()
    last = model.model[-1]
    if hasattr(last, "stride"):
        last.stride = torch.tensor([8.0 * 2**level for level in range(getattr(last, "nl", 1))])
    size = OWN_SIZE.get(head, 640)
    image = torch.zeros(1, values.get("ch", 3), size, size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    params = {name: param.numel() for name, param in model.named_parameters()}
    frozen = [name for name, param in model.named_parameters() if not param.requires_grad]
    return Measured(params, frozen, counter.get_total_flops() // 2)


def count_flops(tasks: Any, file: Path, scale: str, size: int) -> int:
    """Return the FLOPs that the package states for a detection model, and check that they are twice those of thop."""
    import thop
    import torch
    import yaml
    from ultralytics.utils.torch_utils import get_flops

    values = {**yaml.safe_load(file.read_text(encoding="utf-8")), "scale": scale, "yaml_file": file.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = tasks.DetectionModel(values, verbose=False).eval()
        total = round(get_flops(model, size) * 1e9)
        assert total == 2 * thop.profile(model, (torch.zeros(1, 3, size, size),), verbose=False)[0]
    return total
