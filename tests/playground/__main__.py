"""Builds the playground: `python -m tests.playground -o FOLDER`; with `--serve`, shows it at http://localhost:8000."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event

from tests.playground.build import BUILT, CannotBuild, build, check_target
from tests.playground.serving import serve


def main() -> int:
    """Build the folder, and return the exit status: 2, after a message, if it cannot be built."""
    parser = argparse.ArgumentParser("python -m tests.playground", description="Build the playground, a static folder.")
    parser.add_argument("-o", "--output", type=Path, default=BUILT, metavar="FOLDER", help=f"default: {BUILT}")
    parser.add_argument("--serve", action="store_true", help="then serve it at http://localhost:8000, until Ctrl-C")
    options = parser.parse_args()
    try:
        check_target(options.output)
        size = build(options.output)
    except (CannotBuild, OSError) as error:
        print(f"playground: {error}", file=sys.stderr)
        return 2
    print(f"{options.output}: {size / 2**20:.1f} MiB")
    if options.serve:
        with serve(options.output, 8000) as address:
            print(f"{address} (Ctrl-C stops it)", flush=True)
            with suppress(KeyboardInterrupt):
                Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
