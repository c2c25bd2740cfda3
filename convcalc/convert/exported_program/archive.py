"""Finds the graph in an archive of torch.export (`.pt2`): JSON in a ZIP archive.

Weights, and the example inputs, which are a pickle, are not read. From PyTorch 2.8 on, the graph is in
`models/NAME.json`, before that in `serialized_exported_program.json`.
Source: docs.pytorch.org/docs/stable/export/pt2_archive.html.
"""

import json
import re
import zipfile
from collections.abc import Mapping
from struct import unpack_from
from typing import IO, Any, NamedTuple

from convcalc.convert.graph import NotImported

MOST_JSON = 256 * 2**20
MOST_DIRECTORY = 16 * 2**20  # bytes of the list of members; each takes about a hundred
_GRAPH = re.compile(r"(?:[^/]+/)?(?:models/[^/]+\.json|serialized_exported_program\.json)")
_END = 22  # bytes of the record at the end of a ZIP archive, without its comment
_MOST_COMMENT = 2**16


class Archive(NamedTuple):
    """The contents of an archive: the program, and the file of each weight by name, empty in older archives."""

    program: Mapping[str, Any]
    weight_files: Mapping[str, str]


def read_archive(path: str) -> Archive:
    """Return the program in an archive.

    Raises OSError if the file cannot be read; NotImported if it is not an archive of torch.export, or exceeds a limit.
    """
    with open(path, "rb") as stream:
        _check_directory(stream)
        try:
            with zipfile.ZipFile(stream) as archive:
                return _find_program(archive)
        except (NotImported, OSError):
            raise
        except Exception:  # zipfile.BadZipFile, zlib.error, RuntimeError for a password and others
            raise NotImported("not an archive of torch.export: the ZIP archive cannot be read") from None


def _check_directory(stream: IO[bytes]) -> None:
    """Raise NotImported if the list of members is too long. Even to find one member, it is read as a whole."""
    size = stream.seek(0, 2)
    start = max(size - _END - _MOST_COMMENT, 0)
    stream.seek(start)
    tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END:
        raise NotImported("not an archive of torch.export: it is not a ZIP archive, or truncated")
    length = unpack_from("<I", tail, place + 12)[0]
    if length == 2**32 - 1:  # the real length is in another record
        other = tail.rfind(b"PK\x06\x06", 0, place)
        length = unpack_from("<Q", tail, other + 40)[0] if 0 <= other <= place - 56 else size
    if length > MOST_DIRECTORY:
        raise NotImported(f"the list of its members is larger than {MOST_DIRECTORY // 2**20} MiB")


def _find_program(archive: zipfile.ZipFile) -> Archive:
    names = sorted(name for name in archive.namelist() if _GRAPH.fullmatch(name))
    if not names:
        raise NotImported("the archive has no graph of torch.export, only compiled code or other files")
    program = _read_json(archive, names[0])
    stem = names[0].rpartition("/")[2].removesuffix(".json")
    folder = names[0].rpartition("models/")[0]
    config = f"{folder}data/weights/{stem}_weights_config.json"
    files = _read_json(archive, config).get("config", {}) if config in archive.namelist() else {}
    return Archive(program, {name: str(entry["path_name"]) for name, entry in files.items()})


def _read_json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """Return a member that contains a JSON object. Raises NotImported if it is too large or something else."""
    with archive.open(name) as stream:
        data = stream.read(MOST_JSON + 1)
    if len(data) > MOST_JSON:
        raise NotImported(f"its graph is larger than {MOST_JSON // 2**20} MiB")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise NotImported("its graph is not JSON, or is nested too deep") from None
    if not isinstance(found, dict):
        raise NotImported("its graph is not a JSON object")
    return found
