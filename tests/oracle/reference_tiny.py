"""The reference networks of MLPerf Tiny in PyTorch, after their Keras definitions; keyword spotting is `ds_cnn`.

The sources are named in tests/examples/test_mlperf_tiny.py. `same` padding of an even size for a kernel of 3 at stride
2 is 0 + 1.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn, relu

Built = tuple[nn.Module, tuple[int, ...]]
DENSE = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]


def conv(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    padded = nn.Conv2d(inputs, outputs, 3, stride, groups=groups, padding=1 if stride == 1 else 0)
    before = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
    return [*before, padded, nn.BatchNorm2d(outputs)]


class Unit(nn.Module):
    """Two convolutions with a shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv(inputs, outputs, stride), nn.ReLU(), *conv(outputs, outputs))
        self.skip = nn.Conv2d(inputs, outputs, 1, stride) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.body(x) + self.skip(x))


def separable(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    depthwise = [*conv(inputs, inputs, stride, inputs), nn.ReLU()]
    return [*depthwise, nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU()]


def dense(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]


def along_time(taps: int, inputs: int, outputs: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(inputs, inputs, (taps, 1), groups=inputs, bias=False)
    pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
    return [depthwise, pointwise, nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout(0.2)]


def resnet8() -> Built:
    units = [Unit(16, 16), Unit(16, 32, 2), Unit(32, 64, 2)]
    ending = [nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1)]
    return nn.Sequential(*conv(3, 16), nn.ReLU(), *units, *ending), (3, 32, 32)


def person_detection() -> Built:
    widths = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), *[(128, 128, 1)] * 5]
    widths += [(128, 256, 2), (256, 256, 1)]
    layers = [*conv(3, 8, 2), nn.ReLU(), *(layer for width in widths for layer in separable(*width))]
    return nn.Sequential(*layers, nn.AvgPool2d(3), nn.Flatten(), nn.Linear(256, 2), nn.Softmax(1)), (3, 96, 96)


def anomaly_detection() -> Built:
    layers = [layer for one, other in pairwise(DENSE) for layer in dense(one, other)]
    return nn.Sequential(*layers, nn.Linear(128, 640)), (640,)


def streaming_wakeword() -> Built:
    steps = [(3, 40, 128), (5, 128, 128), (10, 128, 128), (15, 128, 32)]
    layers = [layer for step in steps for layer in along_time(*step)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 3), nn.Softmax(1)), (40, 30, 1)


MODELS: dict[str, Callable[[], Built]] = {
    build.__name__: build for build in (anomaly_detection, person_detection, resnet8, streaming_wakeword)
}
