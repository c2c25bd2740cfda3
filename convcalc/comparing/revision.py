"""A file as it was at a git revision, by running git."""

import os
import subprocess

from convcalc.problems import printable, shortened
from convcalc.spec import files
from convcalc.spec.document import Document


class NoRevision(ValueError):
    """The file cannot be had at the revision."""


def read_at(revision: str, file: str) -> Document:
    """The document of a file at a revision, called `REV:FILE`. Raises NoRevision, and InvalidSpec where it is no text.

    It is read under the limits of any spec. `cat-file` gives the bytes as they are stored: no filter, no hook and no
    pager of the repository is run.
    """
    if not revision or revision.startswith("-") or ":" in revision:
        raise NoRevision(f"{printable(revision) or 'nothing'} is no git revision: write HEAD, main or a commit")
    folder, name = os.path.split(os.path.abspath(file))
    _check_repository(folder, file)
    if _ask_git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") is None:
        raise NoRevision(f"no git revision {printable(revision)}")
    data = _ask_git(folder, "cat-file", "blob", f"{revision}:./{name}")
    if data is None:
        raise NoRevision(f"{printable(file)} is not in git revision {printable(revision)}: all of it is new")
    return files.decode(data, f"{revision}:{file}", not files.reached_through_link(file))


def _check_repository(folder: str, file: str) -> None:
    """Whether git is there and opens the repository of a folder. Raises NoRevision with what git says."""
    try:
        done = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise NoRevision("git is not installed, or not on the PATH") from None
    except OSError as error:
        raise NoRevision(f"git cannot be run: {printable(error.strerror or str(error))}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
        raise NoRevision(f"{printable(file)} is in no git repository that can be read: {shortened(said, 200)}")


def _ask_git(folder: str, *arguments: str) -> bytes | None:
    """What git answers, a byte more than a spec may have at most; None where it fails."""
    with subprocess.Popen(
        ["git", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        answer = process.stdout.read(files.MOST_BYTES + 1)
        if len(answer) > files.MOST_BYTES:
            process.kill()
            return answer
    return answer if process.returncode == 0 else None
