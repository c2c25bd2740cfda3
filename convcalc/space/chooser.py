"""Chooses the values of the spec parameters that have choices, while a network is expanded.

The trail lists the chosen options in the order in which the expansion asks for them, and determines the network. For
example, the trail (1, 0) takes the second option of the first choice and the first option of the second choice.
"""

from itertools import islice
from typing import Any, NamedTuple

from convcalc.spec.resolve import ChosenValues
from convcalc.spec.variants import Variants


class Choice(NamedTuple):
    """A value of a spec parameter; with one value per copy, in the copy of a repeat with this full name."""

    name: str
    copy: str
    value: Any


class Stop(Exception):
    """Raised to end an expansion before the network is complete."""


class Chooser(ChosenValues):
    """Returns the values that a trail chooses and, beyond its end, the first option of each choice.

    `made` has the options that were chosen so far, and `values` their values by parameter and copy.
    """

    def __init__(self, variants: Variants, trail: tuple[int, ...]) -> None:
        self.variants = variants
        self.trail = trail
        self.given = variants.list_given_copies()
        copied = frozenset(name for name, choices in variants.choices.items() if choices.per_copy)
        self.per_copy = copied | (self.given.per_copy if self.given else frozenset())
        self.lookups = 0
        self.made: list[Choice] = []
        self.values: dict[tuple[str, str], Any] = {}

    def __contains__(self, name: str) -> bool:
        known = name in self.variants.choices or name in self.variants.derived
        return known or (self.given is not None and name in self.given)

    def find(self, name: str, copy: str) -> Any:
        """Return the value of a spec parameter in a copy of a repeat. Raises Stop if the spec has become invalid."""
        if name in self.variants.derived:
            return self.variants.evaluate_derived(name)
        if self.given is not None and name in self.given:
            self.lookups += 1
            return self.given.find(name, copy)
        choices = self.variants.choices[name]
        if choices.per_copy:
            self.lookups += 1
        key = (name, copy if choices.per_copy else "")
        if key not in self.values:
            self._choose(key, choices.values)
        return self.values[key]

    def _choose(self, key: tuple[str, str], options: tuple[Any, ...]) -> None:
        if self.variants.problems.found:
            raise Stop
        place = len(self.made)
        option = self.trail[place] if place < len(self.trail) else 0
        self.values[key] = options[option]
        self.made.append(Choice(*key, options[option]))

    def skip_choices(self, other: "Chooser", made: int, lookups: int, given: tuple[int, ...]) -> None:
        """Copy choices from another chooser until there are `made`; its counts were then `lookups` and `given`."""
        for choice in other.made[len(self.made) : made]:
            self.made.append(choice)
            self.values[choice.name, choice.copy] = choice.value
        self.lookups = lookups
        if self.given is not None and other.given is not None:
            for name, count in zip(self.given.copies, given, strict=True):
                self.given.copies[name].update(islice(other.given.copies[name].items(), count))

    def count_options(self, place: int) -> int:
        """Return the number of options for the choice at a place of the trail."""
        return len(self.variants.choices[self.made[place].name].values)

    def count_given(self) -> tuple[int, ...]:
        """Return how many values of each list with one value per copy have been used."""
        return () if self.given is None else tuple(map(len, self.given.copies.values()))

    def is_complete(self) -> bool:
        """Return whether the lists with one value per copy have as many values as there are copies."""
        return self.given is None or not self.variants.check_given_copies(self.given)
