"""Recognises the format of a file, by its content or else by the ending of its name.

For example, a file that begins with `GGUF` is "a GGUF file". Commands that read specs use the table FORMATS to report
which other kind of file they got; `import` uses it to choose the importer, or to advise what to do if there is none.
Nothing is parsed, unpickled or run. This module imports nothing from convcalc, so that any other module may import it.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

HEAD = 65_536  # number of bytes at the start of a file that are inspected
LAYERS = (
    rb"""(?:\xef\xbb\xbf)?(?:layers|'layers'|"layers")\s*:"""  # the outermost key of every spec, at the start of a line
)


class Format(NamedTuple):
    """A file format.

    `name` is the format with its article, such as "a GGUF file". `holds` takes the first bytes of a file and returns a
    true value if they are in this format. `reader` names the importer, and `extra` the extra of convcalc that it needs
    (`convcalc[onnx]`), if any. For a format without an importer, `reader` is "" and `advice` says what to do instead.
    """

    name: str
    endings: tuple[str, ...]
    holds: Callable[[bytes], object]
    reader: str = ""
    extra: str = ""
    advice: str = ""


_THROUGH_ONNX = "export it to ONNX, then run convcalc import model.onnx"
_CODE = "import the network's code: convcalc import --torch PACKAGE.MODULE:FACTORY --input 3,224,224"
_TF2ONNX = "convert it to ONNX with python -m tf2onnx.convert, then run convcalc import model.onnx"


def _begins_with(*magic: bytes) -> Callable[[bytes], bool]:
    """Return a function that recognises files by their first bytes."""
    return lambda head: head.startswith(magic)


def _matches_all(*patterns: bytes) -> Callable[[bytes], bool]:
    """Return a function that recognises text in which every regular expression matches."""
    return lambda head: b"\0" not in head and all(re.search(pattern, head, re.MULTILINE) for pattern in patterns)


def _is_zip_with(member: bytes) -> Callable[[bytes], bool]:
    """Return a function that recognises ZIP archives whose first bytes match `member`, a pattern of a file name."""
    return lambda head: head.startswith(b"PK\x03\x04") and re.search(member, head) is not None


def _never(head: bytes) -> bool:
    """Return False: a format with this function is recognised only by the ending of the file name."""
    return False


ONNX = Format(
    "an ONNX model",
    (".onnx",),
    lambda head: re.match(rb"\x08[\x01-\x1f][\x12\x1a\x22\x28\x32\x3a\x42]", head),
    reader="onnx",
    extra="onnx",
)
SPEC = Format("a spec", (".yaml", ".yml"), _matches_all(b"^" + LAYERS))
FORMATS = (
    Format(
        "a Git LFS pointer",
        (),
        _begins_with(b"version https://git-lfs."),
        advice="run git lfs pull to fetch the file itself",
    ),
    Format("a TFLite model", (".tflite",), lambda head: head[4:8] == b"TFL3", advice=_TF2ONNX),
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
        advice="save the model as .keras, or save the JSON of model.to_json(), then run convcalc import",
    ),
    Format("a Keras model", (".keras",), _is_zip_with(rb"config\.json"), reader="keras"),
    Format(
        "a PyTorch file",
        (".pt", ".pth", ".ckpt", ".pkl", ".pt2"),
        lambda head: _is_zip_with(rb"data\.pkl|/version|archive_format")(head) or re.match(rb"\x80[\x02-\x05]", head),
        advice=f"it is or contains a pickle, which is not read because that could run code; {_CODE}",
    ),
    # schema version 1 and a graph; ONNX begins the same way, with a higher version
    Format("a TensorFlow graph", (".pb",), _begins_with(b"\x08\x01\x12"), advice=_TF2ONNX),
    Format("a Core ML model", (".mlmodel",), _never, advice=_THROUGH_ONNX),
    ONNX,
    Format(
        "a Keras model in JSON", (), lambda head: head.lstrip()[:1] == b"{" and b'"class_name"' in head, reader="keras"
    ),
    Format(
        "an Ultralytics model YAML",
        (),
        _matches_all(rb"^nc\s*:", rb"^backbone\s*:", rb"^head\s*:"),
        reader="ultralytics",
    ),
    Format(
        "a Darknet configuration",
        (),
        _matches_all(rb"^\s*\[(?:net|network)\]", rb"^\s*\[(?:convolutional|connected|maxpool)\]"),
        advice=f"there is no importer for it; {_THROUGH_ONNX}",
    ),
    Format(
        "a Caffe network",
        (".prototxt",),
        _matches_all(rb"^\s*layers?\s*\{"),
        advice=f"there is no importer for it; {_THROUGH_ONNX}",
    ),
    Format(
        "an OpenVINO model",
        (),
        _matches_all(rb"<net\b[^>]*>", rb"<layers>"),
        advice=f"there is no importer for it; {_THROUGH_ONNX}",
    ),
    Format("a Python file", (".py",), _never, advice=_CODE),
)


def recognise(name: str, head: bytes) -> Format | None:
    """Return the format of a file from its name and first bytes; None if unknown.

    The content has priority. The name is used if the content matches several formats or none, and for formats that
    cannot be recognised by their content.
    """
    if SPEC.holds(head):
        return SPEC
    by_name = [kind for kind in (*FORMATS, SPEC) if kind.endings and name.lower().endswith(kind.endings)]
    by_content = [kind for kind in FORMATS if kind.holds(head)]
    both = [kind for kind in by_content if kind in by_name]
    without_content = [kind for kind in by_name if kind.holds is _never]
    return next(iter([*both, *without_content, *by_content, *by_name]), None)


def find_foreign_format(name: str, head: bytes) -> Format | None:
    """Return the format of a file that is not a spec; None if the file may be a spec."""
    found = recognise(name, head)
    return None if found is SPEC else found


def advice(found: Format, file: str) -> str:
    """Return how to import or convert a file that was given instead of a spec."""
    return f"import it with convcalc import {file}" if found.reader else found.advice
