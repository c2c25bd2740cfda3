"""Names the operations and layers of a TFLite model after its tensors.

Operators have no names. A converter names the output of a convolution after all operations that it merged into it, such
as `net/relu1/Relu;net/bn1/add;net/conv1/Conv2D`. The convolution is then called `conv1` and its activation `relu1`:
the part of the network's own name (`net`) and the operations (`Conv2D`) are left out.
"""

from collections import Counter

from convcalc.convert.onnx_graph.layer_names import OnnxNames
from convcalc.convert.tflite.model_file import FileOperator, Model

_MOST_NAME = 200
_WORDS = {  # by operator, a part of the name of the operation that it was converted from
    "CONV_2D": ("conv",),
    "CONV_3D": ("conv",),
    "DEPTHWISE_CONV_2D": ("depthwise", "conv"),
    "FULLY_CONNECTED": ("matmul", "biasadd", "dense"),
    "TRANSPOSE_CONV": ("conv",),
    "ADD": ("add",),
    "MUL": ("mul",),
    "SUB": ("sub",),
    "CONCATENATION": ("concat",),
}
_ACTIVATION_WORDS = ("relu", "tanh")


class OperationNames:
    """Chooses unique names for operations. `paths` maps them to the layers' names, empty if the file has none."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.paths: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        first = Counter(
            model.tensors[number].name.partition("/")[0]
            for operator in model.operators
            for number in operator.outputs
            if "/" in model.tensors[number].name
        )
        [(self.prefix, count)] = first.most_common(1) or [("", 0)]
        if 2 * count < len(model.operators):
            self.prefix = ""

    def choose(self, operator: FileOperator, activation: bool = False) -> str:
        """Return the path of an operator, such as `block1.conv1`, or of its merged activation; empty if unknown."""
        words = _ACTIVATION_WORDS if activation else _WORDS.get(operator.name, ())
        parts = self.model.tensors[operator.outputs[0]].name[: 10 * _MOST_NAME].split(";")
        paths = [part.split("/") for part in parts if part]
        named = [path for path in paths if any(word in path[-1].lower() for word in words)]
        if activation and not named:
            return ""
        [*scopes, _] = (named or paths or [[""]])[0]
        if scopes and scopes[0] == self.prefix:
            scopes = scopes[1:]
        return ".".join(scopes)[:_MOST_NAME]

    def make_distinct(self, path: str) -> str:
        """Return a unique name for an operation with the path `path`, and record it in `paths`."""
        found = path or "operator"
        while path == "" or found in self.paths:
            self.counts[path] += 1
            found = f"{path or 'operator'} {self.counts[path]}"
            if found not in self.paths:
                break
        self.paths[found] = path
        return found


class TfliteNames:
    """Assigns each layer a unique name. `paths` are those of `OperationNames`."""

    def __init__(self, paths: dict[str, str]) -> None:
        self.paths = paths
        self.names = OnnxNames()

    def reserve(self, name: str) -> None:
        """Keep a name from being assigned to a layer."""
        self.names.reserve(name)

    def release(self, name: str) -> None:
        """Allow a name to be assigned again."""
        self.names.release(name)

    def assign(self, node: str, kind: str, roots: tuple[str, ...]) -> str:
        """Return an unused name for a layer: its path or else its kind with a number."""
        return self.names.assign(self.paths.get(node, ""), kind, ())
