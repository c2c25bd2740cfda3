"""Runs the command `convcalc`, also as `python -m convcalc`.

Only `sys` is imported before interrupts are handled, so Ctrl-C also ends the command quietly during the other imports,
which take most of the time of a short run.
"""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit: 0 success, 1 invalid or failing network, 2 could not run, 130 interrupted."""
    try:
        from convcalc.cli.main import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
