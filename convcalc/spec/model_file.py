"""Defines `ModelFile`: what is known about the model file, such as ONNX, that a document was imported from."""

from typing import NamedTuple


class ModelFile(NamedTuple):
    """The model file, such as ONNX, that a document was imported from.

    `format` is its format with an article, such as "an ONNX model", and `parameters` the names of the parameters with
    which it was read, such as the scale of a YOLO. `notes` report what a spec cannot express, and
    `outcome` says what follows from that. `remarks` say how input shapes were understood.
    """

    format: str
    parameters: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    outcome: str = ""
    remarks: tuple[str, ...] = ()
