"""The package follows its architecture: layers of imports, one place per library, every kind in the list."""

import ast
import inspect
import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import convcalc
from convcalc.layers import KINDS
from convcalc.layers.base import Layer

PACKAGE = Path(convcalc.__file__).parent
FLOORS = {
    **dict.fromkeys(("caching", "exact"), -1),
    **dict.fromkeys(
        ("arithmetic", "gc_pause", "problems", "processes", "shape", "symbolic", "spec_head", "units", "version"), 0
    ),
    **dict.fromkeys(
        (
            *(
                "arguments",
                "axis_order",
                "convert.formats",
                "device.device_names",
                "device.runtime_names",
                "examples",
                "intervals",
                "size_correction",
            ),
            *("json_schemas", "manual"),
        ),
        1,
    ),
    "layers": 2,
    "network": 3,
    **dict.fromkeys(("analysis", "spec"), 4),
    "convert": 5,
    "device": 6,
    "metrics": 7,
    **dict.fromkeys(("alternatives", "check", "diff", "explain", "memory_savings", "space"), 8),
    "render": 9,
    "api": 10,
    **dict.fromkeys(("space_api", "sweep_api"), 11),
    "cli": 12,
    **dict.fromkeys(("__init__", "__main__"), 13),
}
LIBRARIES = {
    "yaml": "spec/source.py",
    "rich": "render",
    "click": "cli",
    "torch": "convert",
    "onnx": "convert",
    "numpy": "convert space/arrays.py",
    "pyarrow": "render/parquet.py",
    "distributed": "space/dask_cluster.py",
}
RESULTS = (
    "analysis/report.py",
    "convert/comparison.py",
    "diff/difference.py",
    "explain/derived_figures.py",
    "network.py",
    "problems.py",
    "space/fitting.py",
    "space/sweep_table.py",
)
SOURCES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """Return the room of a module of the package; a file with a floor of its own is a room."""
    parts = module.split(".")[1:]
    return next(name for name in (".".join(parts[:2]), parts[0]) if name in FLOORS)


def room_of_file(path: Path) -> str:
    return room(".".join(("convcalc", *path.relative_to(PACKAGE).with_suffix("").parts)))


@cache
def imports(path: Path) -> list[str]:
    """The modules and names that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_floors_below(path: Path) -> None:
    own = room_of_file(path)
    others = {room(name) for name in imports(path) if name.startswith("convcalc.")} - {own}
    # a result renders itself when it is printed
    lazily = {"render"} if path.relative_to(PACKAGE).as_posix() in RESULTS else set()
    assert [other for other in others - lazily if FLOORS[other] >= FLOORS[own]] == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_in_one_place(library: str) -> None:
    users = [path for path in SOURCES if any(name.split(".")[0] == library for name in imports(path))]
    inside = [PACKAGE / place for place in LIBRARIES[library].split()]
    assert users
    assert [path for path in users if not any(place in (path, *path.parents) for place in inside)] == []


def test_every_concrete_kind_is_in_the_list() -> None:
    classes = set()
    for module in pkgutil.iter_modules([str(PACKAGE / "layers")]):
        members = inspect.getmembers(import_module(f"convcalc.layers.{module.name}"), inspect.isclass)
        classes |= {cls for _, cls in members if issubclass(cls, Layer) and cls.kind}
    assert classes == set(KINDS.values())


@pytest.mark.parametrize("name", convcalc.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert name == "__version__" or inspect.getdoc(getattr(convcalc, name))
