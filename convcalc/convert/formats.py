"""Lists the file formats, and recognises the format of a file by its content or else by the ending of its name.

For example, a file that begins with `GGUF` is "a GGUF file". The table FORMATS is the only place that lists formats:
commands use it to choose the reader of a model file, or to say what to do with a file that has no reader; the manual's
table of formats is generated from it. Nothing is parsed, unpickled or run. This module imports little from
convcalc, so that most other modules may import it.
"""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from convcalc.spec_head import is_spec


class Format(NamedTuple):
    """A file format.

    `name` is the format with its article, such as "a GGUF file". `holds` takes the first bytes of a file and returns a
    true value if they are in this format. `holds_folder` takes the names in a folder; it is None if no folder has this
    format.

    `reader` is the module that imports the format. It has a function `read(path, inputs, follow)` that returns a
    `convert.graph.Graph`, and is imported only when such a file is read. `parameters` are the other arguments of
    `read`, which a user gives like spec parameters, as in `NET@scale=n`. If there is no `reader`, `advice` says what to
    do instead.

    `import_option` is `--torch` for Python files, which `convcalc import --torch` runs; it is empty for all other
    formats. `writers` are the values of `export --to` that write the format. `extra` is the extra of convcalc that
    importing needs (`convcalc[onnx]`). `lost` says what a spec does not keep of such a file.
    """

    name: str
    endings: tuple[str, ...]
    holds: Callable[[bytes], object]
    reader: str = ""
    import_option: str = ""
    writers: tuple[str, ...] = ()
    extra: str = ""
    lost: str = ""
    advice: str = ""
    holds_folder: Callable[[Collection[str]], bool] | None = None
    parameters: tuple[str, ...] = ()


_THROUGH_ONNX = "export it to ONNX"
_CODE = "import the network's code: convcalc import --torch PACKAGE.MODULE:FACTORY --input 3,224,224"
_TF2ONNX = "convert it to ONNX with python -m tf2onnx.convert"


def _begins_with(*magic: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magic)


def _matches_all(*patterns: bytes) -> Callable[[bytes], bool]:
    """Return a function that recognises text in which all the regular expressions match."""
    return lambda head: b"\0" not in head and all(re.search(pattern, head, re.MULTILINE) for pattern in patterns)


def _is_zip_with(member: bytes) -> Callable[[bytes], bool]:
    """Return a function that recognises ZIP archives. `member` is a regular expression for a file name in them."""
    return lambda head: head.startswith(b"PK\x03\x04") and re.search(member, head) is not None


def _never(head: bytes) -> bool:
    """Return False, for formats that are recognised by the ending of the name or as a folder, but not by content."""
    return False


def _contains(name: str) -> Callable[[Collection[str]], bool]:
    """Return a function that recognises folders in which there is a file or folder with this name."""
    return lambda names: name in names


ONNX = Format(
    "an ONNX model",
    (".onnx",),
    lambda head: re.match(rb"\x08[\x01-\x1f][\x12\x1a\x22\x28\x32\x3a\x42]", head),
    reader="convcalc.convert.from_onnx",
    writers=("onnx",),
    extra="onnx",
    lost="the values of weights, metadata",
)
SPEC = Format("a spec", (".yaml", ".yml"), is_spec)
FORMATS = (
    Format(
        "a Git LFS pointer",
        (),
        _begins_with(b"version https://git-lfs."),
        advice="run git lfs pull to fetch the file itself",
    ),
    Format(
        "a TFLite model",
        (".tflite",),
        lambda head: head[4:8] == b"TFL3",
        reader="convcalc.convert.tflite.reader",
        lost="the values of weights, the scales of quantised tensors, metadata",
    ),
    Format(
        "a GGUF file",
        (".gguf",),
        _begins_with(b"GGUF"),
        advice="it contains weights, not layers; there is no importer for it",
    ),
    Format(
        "a safetensors file",
        (".safetensors",),
        lambda head: head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**27,
        advice=f"it contains only weights; {_CODE}",
    ),
    Format(
        "a Keras HDF5 model",
        (".h5", ".hdf5"),
        _begins_with(b"\x89HDF\r\n"),
        reader="convcalc.convert.from_keras",
        extra="keras",
        lost="the values of weights, losses, optimizers, the code of custom layers",
    ),
    Format(
        "a Keras model",
        (".keras",),
        _is_zip_with(rb"config\.json"),
        reader="convcalc.convert.from_keras",
        lost="the values of weights, losses, optimizers, the code of custom layers",
    ),
    Format(
        "a PyTorch exported program",
        (".pt2",),
        _is_zip_with(rb"data/weights/|models/[^/]+\.json|serialized_exported_program\.json"),
        reader="convcalc.convert.exported_program.reader",
        lost="the values of weights, other shapes than the exported ones",
    ),
    Format(
        "a PyTorch file",
        (".pt", ".pth", ".ckpt", ".pkl"),
        lambda head: _is_zip_with(rb"data\.pkl|/version|archive_format")(head) or re.match(rb"\x80[\x02-\x05]", head),
        advice=f"it is or contains a pickle, which is not read because that could run code; {_CODE}",
    ),
    # schema version 1 and a graph; ONNX begins the same way, with a higher version
    Format(
        "a TensorFlow graph",
        (".pb",),
        _begins_with(b"\x08\x01\x12"),
        advice=_TF2ONNX,
    ),
    Format(
        "a TensorFlow SavedModel",
        (),
        _never,
        advice=_TF2ONNX,
        holds_folder=_contains("saved_model.pb"),
    ),
    Format("a Core ML model", (".mlmodel",), _never, advice=_THROUGH_ONNX),
    Format(
        "a Core ML package",
        (".mlpackage",),
        _never,
        advice=_THROUGH_ONNX,
        holds_folder=lambda names: {"Manifest.json", "Data"} <= set(names),
    ),
    ONNX,
    Format(
        "a Keras model in JSON",
        (),
        lambda head: head.lstrip()[:1] == b"{" and b'"class_name"' in head,
        reader="convcalc.convert.from_keras",
        lost="the values of weights, losses, optimizers, the code of custom layers",
    ),
    Format(
        "an Ultralytics model YAML",
        (),
        _matches_all(rb"^nc\s*:", rb"^backbone\s*:", rb"^head\s*:"),
        reader="convcalc.convert.ultralytics.reader",
        lost="training options, the training-only part of heads as layers",
        parameters=("scale", "aliases"),
    ),
    Format(
        "a Darknet configuration",
        (".cfg",),
        _matches_all(rb"^\s*\[(?:net|network)\]", rb"^\s*\[(?:convolutional|connected|maxpool)\]"),
        reader="convcalc.convert.from_darknet",
        lost="the training options, the anchors and classes of detection layers",
    ),
    Format(
        "a Caffe network",
        (".prototxt",),
        _matches_all(rb"^\s*layers?\s*\{"),
        reader="convcalc.convert.caffe.reader",
        lost="fillers, learning rates other than 0, losses and metrics, the decoding of boxes",
    ),
    Format(
        "an OpenVINO model",
        (".xml",),
        _matches_all(rb"<net\b[^>]*>", rb"<layers>"),
        reader="convcalc.convert.openvino.reader",
        lost="the values of weights, the ranges of quantised values",
    ),
    Format(
        "a Python file that uses Keras",
        (".py",),
        _matches_all(rb"^(?:import|from) keras\b"),
        advice="run it, save its model as a .keras file, and import that",
    ),
    Format(
        "a Python file",
        (".py",),
        _never,
        import_option="--torch",
        writers=("torch", "keras"),
        extra="torch",
        lost="the values of weights, and which branch of the code other inputs would take",
        advice=_CODE,
    ),
)


def recognise(name: str, head: bytes) -> Format | None:
    """Return the format of a file from its name and first bytes; None if unknown.

    The content has priority. The name decides if the content matches several formats or none, and for formats that
    cannot be recognised by their content.
    """
    if SPEC.holds(head):
        return SPEC
    by_name = [kind for kind in (*FORMATS, SPEC) if kind.endings and name.lower().endswith(kind.endings)]
    by_content = [kind for kind in FORMATS if kind.holds(head)]
    both = [kind for kind in by_content if kind in by_name]
    without_content = [kind for kind in by_name if kind.holds is _never]
    return next(iter([*both, *without_content, *by_content, *by_name]), None)


def recognise_folder(name: str, content: Collection[str]) -> Format | None:
    """Return the format of a folder from its name and the names in it; None if it is an ordinary folder."""
    possible = [kind for kind in FORMATS if kind.holds_folder is not None]
    by_content = [kind for kind in possible if kind.holds_folder and kind.holds_folder(content)]
    by_name = [kind for kind in possible if kind.endings and name.lower().rstrip("/\\").endswith(kind.endings)]
    return next(iter([*by_content, *by_name]), None)


def find_foreign_format(name: str, head: bytes) -> Format | None:
    """Return the format of a file that is not a spec; None if the file may be a spec."""
    found = recognise(name, head)
    return None if found is SPEC else found


def describe_readable() -> str:
    """Return the formats that have a reader, such as `ONNX model (.onnx), Keras model (.keras)`."""
    return ", ".join(
        f"{bare_name(kind)} ({', '.join(kind.endings)})" if kind.endings else bare_name(kind)
        for kind in FORMATS
        if kind.reader
    )


def bare_name(found: Format) -> str:
    """Return the name of a format without its article, such as `GGUF file`."""
    return found.name.partition(" ")[2]


def model_endings() -> tuple[str, ...]:
    """Return the endings of the names of model files that can be read."""
    return tuple(ending for kind in FORMATS if kind.reader for ending in kind.endings)
