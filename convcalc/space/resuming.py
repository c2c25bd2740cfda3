"""Skips the copies of a repeat that an earlier expansion with the same choices has already made.

To follow other choices from a state deep in a repeat, the spec is expanded again from its beginning. If all copies
before the state were expanded again each time, the effort would grow with the square of their number.
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from convcalc.space.chooser import Chooser
from convcalc.spec.draft import Draft
from convcalc.spec.scopes import Frame, Place, Tensors


class Mark(NamedTuple):
    """How far an expansion has come in a repeat: its step number when the repeat began (`begin`), and now (`step`).

    `places` are the copies, of which `position` have been made. The lists of the draft and of the chooser may grow
    later: `nodes`, `groups`, `recordings` and `made` are how many of their items there were, and `given` how many
    values of each list with one value per copy had been used.
    """

    begin: int
    step: int
    position: int
    previous_copy: Tensors | None
    places: dict[str, Place]
    draft: Draft
    nodes: int
    groups: int
    recordings: int
    entries: int
    chooser: Chooser
    made: int
    lookups: int
    given: tuple[int, ...]


class Marks:
    """Keeps a mark for each open repeat of an expansion, and skips the copies that an earlier expansion has made.

    `known` are the marks of the earlier expansion, which made the same choices. `skipped` is the number of layers that
    were not expanded again.
    """

    def __init__(self, known: Sequence[Mark], chooser: Chooser) -> None:
        self.known = {mark.begin: mark for mark in known}
        self.chooser = chooser
        self.open: dict[int, Mark] = {}  # by the number of frames around the repeat
        self.skipped = 0

    def pass_step(self, step: int, frames: list[Frame], draft: Draft) -> int:
        """Record how far the innermost frame has come, if it is a repeat; at its beginning, skip the known copies.

        Return the number of the next step, which is larger than `step` if copies were skipped.
        """
        frame, depth = frames[-1], len(frames)
        if not frame.is_repeat:
            return step
        begin = step if frame.position == 0 else self.open[depth].begin
        known = self.known.get(begin) if frame.position == 0 else None
        if known is not None and known.position:
            step = known.step
            self._skip_copies(known, frame, draft)
        self.open[depth] = Mark(
            begin,
            step,
            frame.position,
            frame.previous_copy,
            frame.scope.places,
            draft,
            len(draft.nodes),
            len(draft.groups),
            len(draft.recordings),
            draft.entries,
            self.chooser,
            len(self.chooser.made),
            self.chooser.lookups,
            self.chooser.count_given(),
        )
        return step

    def list_open(self, frames: list[Frame]) -> tuple[Mark, ...]:
        """Return the marks of the repeats among the open frames, outermost first."""
        return tuple(self.open[depth] for depth, frame in enumerate(frames, 1) if frame.is_repeat)

    def _skip_copies(self, known: Mark, frame: Frame, draft: Draft) -> None:
        self.skipped += known.nodes - len(draft.nodes)
        draft.nodes += known.draft.nodes[len(draft.nodes) : known.nodes]
        draft.groups += known.draft.groups[len(draft.groups) : known.groups]
        for key, recording in islice(known.draft.recordings.items(), len(draft.recordings), known.recordings):
            draft.recordings[key] = recording.copy_to(draft)
        draft.entries = known.entries
        frame.scope.places.update(islice(known.places.items(), known.position))
        frame.previous_copy, frame.position = known.previous_copy, known.position
        self.chooser.skip_choices(known.chooser, known.made, known.lookups, known.given)
