"""Replaces a file in one step: other programs see either the old content or the complete new content."""

import os


def replace_file(target: str, content: bytes) -> None:
    """Replace or create a file in one step; an existing file keeps its permissions. Raises OSError."""
    import tempfile  # importing it at the top would slow the start

    mode = os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o666 & ~_read_umask()
    handle, partial = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".convcalc-")
    try:
        with open(handle, "wb") as stream:
            stream.write(content)
        os.chmod(partial, mode)
        os.replace(partial, target)
    except BaseException:
        os.unlink(partial)
        raise


def _read_umask() -> int:
    """Return the umask of the process: the permission bits that new files do not get."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
