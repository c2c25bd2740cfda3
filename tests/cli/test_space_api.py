"""`convcalc.design_space`, compared with all networks of a space, listed one by one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest

import convcalc
from tests.space.brute_force import Listed, list_networks

SPEC = """\
params: {depth: 2}
space:
  depth: [1, 2, 3]
  kernel: {choices: [1, 3], per: copy}
  width: [2, 4]
input: [4, 8, 8]
layers:
  - conv: {out_channels: $width, kernel_size: $kernel, padding: same, repeat: $depth}
budget: {params: 250}
"""
LISTED = list_networks(SPEC, 100) or []


def read(**arguments: Any) -> convcalc.Space:
    return convcalc.design_space(io.StringIO(SPEC), **arguments)


def select(**most: int) -> list[Listed]:
    return [one for one in LISTED if all(one.figures[name] <= limit for name, limit in most.items())]


def values_of(listed: list[Listed], name: str) -> list[int]:
    return [one.figures[name] for one in listed]


def test_a_space_is_described() -> None:
    space = read()
    assert space.networks == len(LISTED) == 28
    assert space.choices == {"depth": (1, 2, 3), "kernel": (1, 3), "width": (2, 4)}
    assert repr(space) == "<Space of <stream>: 28 networks>"
    peaks, macs = values_of(LISTED, "peak_memory"), sorted(values_of(LISTED, "macs"))
    assert space.peak_memory == (min(peaks), max(peaks))
    found = space.describe("MACs", percents=[50, 100], bins=3)
    assert (found.min, found.max, found.mean, found.error) == (macs[0], macs[-1], sum(macs) / 28, 0)
    assert found.quantiles == {50: macs[13], 100: macs[-1]}
    assert [bin.networks for bin in found.histogram] == [
        sum(bin.start <= value < bin.stop for value in macs) for bin in found.histogram
    ]
    assert read(params={"depth": 1}).networks == 4


def test_the_networks_within_limits_are_counted_and_listed() -> None:
    space = read()
    kept = select(params=250, macs=9_000)
    part = space.within(macs=9_000.5)
    assert part.count() == len(kept)
    assert part.estimate() == (len(kept), len(kept), len(kept))
    assert part.share() == len(kept) / len(LISTED)
    assert all(Listed(*one) in kept for one in part.sample(20, seed=3))
    assert part.sample(5, seed=3) == part.sample(5, seed=3) != part.sample(5, seed=4)
    best, least = part.best("params"), part.best("-macs")
    assert best is not None
    assert least is not None
    assert best.figures["params"] == max(values_of(kept, "params"))
    assert least.figures["macs"] == min(values_of(kept, "macs"))
    assert [Listed(*one) in kept for one in part.front("macs,-params")]
    assert space.within(spec_budget=False, macs=9_000).count() == len(select(macs=9_000))
    assert space.within(spec_budget=False, params=(100, 200)).count() == sum(
        100 <= value <= 200 for value in values_of(LISTED, "params")
    )
    nothing = space.within(peak_memory=1)
    assert (nothing.count(), nothing.best("params"), nothing.front("macs,params"), nothing.sample(1)) == (
        0,
        None,
        [],
        [],
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: read().within(parms=3), "within: parms cannot be limited: did you mean params"),
        (lambda: read().within(receptive_field=3), "within: receptive_field cannot be limited: available: layers"),
        (lambda: read().within(params=-1), "a limit of params must be a number that is not negative; got -1"),
        (lambda: read().within(params=cast(Any, "5M")), "must be a number that is not negative; got '5M'"),
        (lambda: read().within(peak_memory=(3, 4)), "a minimum of peak_memory cannot be checked"),
        (lambda: read().within().best("mac"), "best: unknown metric 'mac': did you mean macs"),
        (lambda: read().within().front("macs"), "front: expected two different metrics"),
        (lambda: read().within().sample(0), "sample draws from 1 to 100,000 networks; got 0"),
        (lambda: read().describe("peak_memory"), "metric: peak_memory is not a sum over the layers"),
        (lambda: read().describe("macs", bins=0), "bins must be from 1 to 10,000; got 0"),
        (lambda: read().describe("macs", percents=[0]), "percents must be more than 0 and at most 100"),
        (lambda: convcalc.design_space({"input": [3], "layers": ["relu"]}), "the spec has no choices: add them"),
    ],
)
def test_mistakes_are_explained(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_space_with_too_many_states_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convcalc.space.exploring.MOST_STATES_OF_A_PLACE", 1)
    with pytest.raises(ValueError, match=r":8:5: the space has too many states: networks reach this entry in 2 ways"):
        read()


def test_a_model_file_has_no_space(tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text("[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\nsize=3\n")
    with pytest.raises(ValueError, match="has no spec parameters to choose values for"):
        convcalc.design_space(str(tmp_path / "net.cfg"))
