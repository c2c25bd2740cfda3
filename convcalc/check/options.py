"""Lists what users can set for the check of a network: the severity that fails it, and the options of lint rules.

For example, CHANNEL_MULTIPLE is an option of the rule CV307, with the default 8. The engine is not imported, because
the command line needs the options before it knows whether it needs more than `--help`.
"""

from typing import Any, NamedTuple

from convcalc.problems import Flaw, show

SEVERITIES = ("error", "warning", "note")


class IntegerOption(NamedTuple):
    """An integer that users can set for a lint rule: `channel-multiple = 16` in a configuration file.

    `convcalc check` has a command-line option with the same name (`--channel-multiple 16`), and the page of the rule
    describes it. `help` is a phrase without a final period.
    """

    name: str  # kebab-case
    default: int
    minimum: int
    help: str

    def read(self, value: Any) -> int:
        """Return a value from a configuration file as an integer.

        Raises Flaw if it is not an integer or is less than the minimum.
        """
        from convcalc.arguments import is_integer

        if not is_integer(value) or value < self.minimum:
            wanted = "a positive integer" if self.minimum == 1 else f"an integer of at least {self.minimum}"
            raise Flaw(f"{self.name} must be {wanted}; got {show(value)}")
        return int(value)


CHANNEL_MULTIPLE = IntegerOption("channel-multiple", 8, 1, "Number that must divide the output channels (CV307)")
RULE_OPTIONS = (CHANNEL_MULTIPLE,)  # of all rules, in the order of their list
