"""Reads the network that a NET argument names: a spec or a model file, such as ONNX.

The first bytes of a file decide what it is. Whatever reads model files is imported only for a model file, so that
reading a spec takes no longer.
"""

import os
from typing import TYPE_CHECKING

from convcalc.spec import files
from convcalc.spec.blame import remove_used
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides

if TYPE_CHECKING:
    from convcalc.convert.graph import Follow


def read_net(net: str, overrides: Overrides, follow: "Follow | None" = None) -> tuple[Document, Overrides]:
    """Return the document that a NET argument names, and the overrides that have not been applied to it.

    The reader of a model file applies the input shapes in `overrides`, and the parameters that select a network in the
    file. `follow` shows the progress of this reader. Raises the errors of `spec.files.read_net`; for a model file, also
    NotImported, or WrongOverride if an input shape is malformed.
    """
    try:
        return files.read_net(_find_file(net)), overrides
    except files.ForeignFile as error:
        if net == files.STANDARD_INPUT or error.format is None or not error.format.reader:
            raise
    from convcalc.convert.model_files import read_document

    document = read_document(net, overrides, follow)
    return document, remove_used(document, overrides.without_inputs())


def _find_file(net: str) -> str:
    """Return the file that a NET argument names: for a missing `yolov8n.yaml`, that is `yolov8.yaml` if it exists."""
    if not net.endswith((".yaml", ".yml")) or os.path.exists(net):
        return net
    from convcalc.convert.ultralytics.file_names import find_file

    return find_file(net)
