"""Rewrite the expected output for all invalid specs: `python -m tests.rewrite_bad_specs`.

Then read every changed answer in `git diff tests/bad`: is the location right, is the caret under the right characters,
does the message say what was expected, is each mistake reported once? A golden file nobody has read is worthless.
"""

from tests.spec.test_bad_specs import NAMES, answer
from tests.support.places import BAD


def rewrite() -> None:
    """Rewrite each golden file, and remove those without a spec."""
    for stale in BAD.glob("*.txt"):
        if stale.stem not in NAMES:
            stale.unlink()
    for name in NAMES:
        status, out, err = answer(name)
        if status == 1 and not out:
            (BAD / f"{name}.txt").write_text(err, encoding="utf-8")
        else:
            print(f"{name}: exit status {status}, not written: {err or out}")
    print("read what has changed: git diff tests/bad")


if __name__ == "__main__":
    rewrite()
