"""The command `convcalc`, and `python -m convcalc`.

Nothing but `sys` is imported before an interrupt is expected: while the other modules are imported, which takes most
of the time of a short run, Ctrl-C ends the command as quietly as later.
"""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit: 0 well, 1 a wrong network, 2 not done, 130 interrupted."""
    try:
        from convcalc.cli.main import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
