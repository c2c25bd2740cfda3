"""Write what is answered to the wrong specs anew: `python -m tests.rewrite_bad_specs`.

Afterwards read `git diff tests/bad`, every changed answer: is the place right, is the caret under the right
characters, does it say what was expected, is each mistake there once? A golden text nobody read is worth nothing.
"""

from tests.test_bad_specs import BAD, NAMES, answer


def rewrite() -> None:
    """Each golden text, and none without its spec."""
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
