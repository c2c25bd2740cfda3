"""The package follows its architecture: layers of imports, one place per library, every kind in the list."""

import ast
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import convcalc
from convcalc.layers import KINDS
from convcalc.layers.base import Layer

PACKAGE = Path(convcalc.__file__).parent
FLOORS = {
    **dict.fromkeys(("caching", "exact"), -1),
    **dict.fromkeys(("arithmetic", "gc_pause", "problems", "processes", "shape", "symbolic", "units", "version"), 0),
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
            ),
            *("json_schemas", "manual"),
        ),
        1,
    ),
    "layers": 2,
    "network": 3,
    **dict.fromkeys(("analysis", "spec"), 4),
    **dict.fromkeys(("convert", "device"), 5),
    **dict.fromkeys(("analysis.budgets", "device.plan_file"), 5.5),  # a budget may limit the memory of a device
    **dict.fromkeys(("analysis.figures", "device.from_tflite"), 5.6),
    **dict.fromkeys(("alternatives", "check", "diff", "explain", "memory_savings", "space"), 6),
    "render": 7,
    "api": 8,
    **dict.fromkeys(("space_api", "sweep_api"), 8.5),
    "cli": 9,
    **dict.fromkeys(("__init__", "__main__"), 10),
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


def imports(path: Path) -> list[str]:
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
    assert [kind for kind in classes if inspect.isabstract(kind)] == []


@pytest.mark.parametrize("name", convcalc.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert name == "__version__" or inspect.getdoc(getattr(convcalc, name))
