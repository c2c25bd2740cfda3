"""Replaces a file in one step: the old content stays until the new content is complete."""

import os


def replace_file(target: str, content: bytes) -> None:
    """Write a file in one step, keeping the permissions of the one it replaces. Raises OSError."""
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
    """Return the process's umask: the permissions that new files do not get."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
