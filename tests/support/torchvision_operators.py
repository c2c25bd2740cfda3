"""Makes torchvision importable if its compiled operators do not load, for example because they need CUDA.

The networks and transforms of torchvision need none of these operators, but its import describes some of them to
PyTorch, and fails if they do not exist.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_DESCRIBED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def define_missing_operators() -> Any:
    """Declare the operators that torchvision describes when imported, unless its compiled ones can be loaded.

    Return the library of the declarations, which exist as long as it does; None if there are none.
    """
    found = find_spec("torchvision")
    if found is None or found.origin is None:
        return None
    import torch

    for file in Path(found.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(str(file))
        except OSError:
            continue
        return None
    library = torch.library.Library("torchvision", "DEF")
    for operator in _DESCRIBED:
        library.define(operator)
    return library
