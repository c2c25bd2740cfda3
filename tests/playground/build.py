"""Builds the playground: a static folder with the page, the bundled editor, Pyodide and the wheels.

`build(folder)` needs npm, Node and pip, and reads the npm registry and PyPI; the page itself reads nothing but its own
folder. The versions are those of `page/package-lock.json` and `wheels.txt`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from tests.playground import bridge

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILT = Path("build/playground")
PAGE = HERE / "page"
MARK = "contents.json"  # marks a playground, so that no other folder is overwritten
_KEPT = ROOT / "build"  # keeps the packages, so that a second build does not download them
_PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
_BUNDLED = ("page.js", "worker.js")
COPIED = ("index.html", "page.css", "icon.svg", "frame.html", "frame.js", "report_frame.html", "report_frame.js")
_TIMEOUT = 300  # seconds for npm or pip
_LICENCE_NAMES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE")
_ADVICE = {"node": "install Node.js", "npm": "install Node.js with npm"}


class CannotBuild(Exception):
    """Raised if a program fails; the message says what to do."""


class Unavailable(CannotBuild):
    """Raised if a program is not installed, or packages cannot be downloaded."""


def check_target(folder: Path) -> None:
    """Raise CannotBuild if the folder contains anything but a playground, because it would be lost."""
    if folder.exists() and not (folder / MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotBuild(f"{folder} exists and is not a playground: give a new folder with -o")


def build(folder: Path) -> int:
    """Build the playground in a folder, which appears complete or not at all; return its size in bytes."""
    packages = install_packages()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "new"
        (made / "pyodide").mkdir(parents=True)
        (made / "wheels").mkdir()
        for name in COPIED:
            shutil.copyfile(PAGE / name, made / name)
        shutil.copyfile(HERE / "bridge.py", made / "bridge.py")
        for name in _PYODIDE:
            shutil.copyfile(packages / "node_modules" / "pyodide" / name, made / "pyodide" / name)
        bundle(packages, made)
        wheels = make_wheels(Path(scratch) / "wheels", made / "wheels")
        (made / "facts.json").write_text(json.dumps(bridge.describe(), ensure_ascii=False), encoding="utf-8")
        (made / "licences.txt").write_text(collect_licences(packages, wheels), encoding="utf-8")
        (made / MARK).write_text(json.dumps(describe_contents(made)), encoding="utf-8")
        _replace(folder, made, Path(scratch) / "old")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _replace(folder: Path, made: Path, old: Path) -> None:
    if folder.exists():
        os.replace(folder, old)
    os.replace(made, folder)


def install_packages() -> Path:
    """Install the packages of package-lock.json, unless that is done, and return the folder of node_modules."""
    lock = (PAGE / "package-lock.json").read_bytes()
    done = _KEPT / f"playground-{sha256(lock).hexdigest()[:12]}"
    if not done.is_dir():
        _KEPT.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_KEPT) as scratch:
            made = Path(scratch) / "packages"
            made.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(PAGE / name, made / name)
            run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], made, failure=Unavailable)
            with suppress(OSError):  # another build was faster
                made.rename(done)
    return done


def bundle(packages: Path, made: Path) -> None:
    """Write the scripts of the page, each with all that it imports; Pyodide stays a file of its own."""
    esbuild = packages / "node_modules" / "esbuild" / "bin" / "esbuild"
    options = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--external:*.mjs", "--log-level=warning"]
    command = ["node", str(esbuild), *_BUNDLED, *options, f"--outdir={made.resolve()}"]
    run(command, PAGE, {"NODE_PATH": str(packages / "node_modules")})


def make_wheels(scratch: Path, target: Path) -> list[Path]:
    """Write the wheel of this checkout, and those of `wheels.txt` in pure Python, into a folder; return them."""
    download = ["--only-binary", ":all:", "--platform", "manylinux2014_x86_64", "--python-version", "3.11"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(
        [*pip, "download", "--no-deps", *download, "-r", str(HERE / "wheels.txt"), "-d", str(scratch)],
        ROOT,
        failure=Unavailable,
    )
    run([*pip, "wheel", "--no-deps", "--wheel-dir", str(scratch), str(ROOT)], ROOT)
    return [purify(wheel, target) for wheel in sorted(scratch.glob("*.whl"))]


def purify(wheel: Path, target: Path) -> Path:
    """Write a wheel into a folder, as a pure Python wheel without its compiled modules.

    Only for packages that work without these modules, such as PyYAML.
    """
    name, version = wheel.name.split("-")[:2]
    pure = target / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(pure, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for entry in old.infolist():
            if not entry.filename.endswith((".so", ".pyd", "/", "RECORD")):
                content = old.read(entry)
                new.writestr(entry.filename, retag(content) if entry.filename.endswith(".dist-info/WHEEL") else content)
    return pure


def retag(description: bytes) -> bytes:
    """Return the text of a wheel's file WHEEL, changed to that of a pure Python wheel."""
    kept = [
        line for line in description.decode().splitlines() if line and not line.startswith(("Tag:", "Root-Is-Purelib:"))
    ]
    return "\n".join([*kept, "Root-Is-Purelib: true", "Tag: py3-none-any", ""]).encode()


def describe_contents(made: Path) -> dict[str, object]:
    """Return the paths of the wheels, and the number of bytes that the worker loads, for its progress bar."""
    wheels = sorted(path.relative_to(made).as_posix() for path in (made / "wheels").iterdir())
    fetched = [*wheels, *(f"pyodide/{name}" for name in _PYODIDE if not name.endswith(".mjs"))]
    return {"wheels": wheels, "bytes": sum((made / name).stat().st_size for name in fetched)}


def collect_licences(packages: Path, wheels: Iterable[Path]) -> str:
    """Return the licences of everything in the folder, each under the name of its package."""
    parts = [f"convcalc\n\n{(ROOT / 'LICENSE').read_text(encoding='utf-8')}", *map(_wheel_licence, wheels)]
    for file in sorted((packages / "node_modules").rglob("package.json")):
        facts = json.loads(file.read_text(encoding="utf-8"))
        texts = [file.parent / name for name in _LICENCE_NAMES if (file.parent / name).is_file()]
        if "version" in facts and "esbuild" not in facts["name"]:  # esbuild makes the bundle, but is not in it
            text = texts[0].read_text(encoding="utf-8") if texts else _licence_link(facts)
            parts.append(f"{facts['name']} {facts['version']}\n\n{text}")
    return f"\n\n{'-' * 78}\n\n".join(part.strip() for part in parts if part) + "\n"


def _licence_link(facts: dict[str, object]) -> str:
    return f"{facts.get('license')}; its source: {facts.get('homepage') or facts.get('repository')}"


def _wheel_licence(wheel: Path) -> str:
    """Return the licence of a wheel; empty for that of convcalc, which is the first."""
    if wheel.name.startswith("convcalc-"):
        return ""
    with zipfile.ZipFile(wheel) as archive:
        texts = [
            archive.read(name).decode()
            for name in archive.namelist()
            if "/licenses/" in name or name.endswith("/LICENSE")
        ]
    return "\n\n".join([" ".join(wheel.name.split("-")[:2]), *texts])


def run(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str] | None = None,
    failure: type[CannotBuild] = CannotBuild,
) -> None:
    """Run a program in a folder, with further environment variables.

    Raises Unavailable if the program is missing, and `failure` with the end of its messages if it fails.
    """
    try:
        environment = {**os.environ, **(variables or {})}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT)
    except FileNotFoundError:
        raise Unavailable(
            f"{command[0]} is not installed: {_ADVICE.get(command[0], f'install {command[0]}')}"
        ) from None
    except subprocess.TimeoutExpired:
        raise failure(f"{command[0]} took longer than {_TIMEOUT} seconds: {' '.join(command)}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise failure(f"{' '.join(command)} failed with exit status {done.returncode}:\n{said}")
