"""Reads a file from a git revision, by running git."""

import os
import subprocess

from convcalc.problems import printable, shorten
from convcalc.spec import files
from convcalc.spec.document import Document


class NoRevision(ValueError):
    """Raised if a file cannot be read from a git revision; the message says why."""


def read_at(revision: str, file: str) -> Document:
    """Read a spec from a file as of a git revision; messages call the document `REVISION:FILE`.

    The file is read with `git cat-file`, which returns the bytes as stored and runs no filter, hook or pager of the
    repository. Raises NoRevision if the file cannot be read from the revision, and InvalidSpec if it is not text or
    exceeds the size limit of specs.
    """
    if not revision or revision.startswith("-") or ":" in revision:
        raise NoRevision(
            f"{printable(revision) or 'an empty name'} is not a git revision: use HEAD, a branch or a commit"
        )
    folder, name = os.path.split(os.path.abspath(file))
    _check_repository(folder, file)
    if _ask_git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") is None:
        raise NoRevision(f"git revision {printable(revision)} does not exist")
    data = _ask_git(folder, "cat-file", "blob", f"{revision}:./{name}")
    if data is None:
        raise NoRevision(f"{printable(file)} does not exist in git revision {printable(revision)}")
    return files.decode_spec(data, f"{revision}:{file}", not files.reached_through_link(file))


def _check_repository(folder: str, file: str) -> None:
    """Raise NoRevision if git cannot be run, or if `folder` is not in a repository that git can read.

    `file` is named in the message.
    """
    try:
        done = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise NoRevision("git is not installed, or not on the PATH") from None
    except OSError as error:
        raise NoRevision(f"git cannot be run: {printable(error.strerror or str(error))}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
        raise NoRevision(f"{printable(file)} is not in a readable git repository: {shorten(said, 200)}")


def _ask_git(folder: str, *arguments: str) -> bytes | None:
    """Return the output of a git command run in `folder`; None if git fails.

    At most one byte more than the size limit of specs is read, which is enough to detect a larger file.
    """
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
