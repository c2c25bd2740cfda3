"""Larger design spaces, compared with all their networks; `python -m tests.space.compare_large` has many more."""

import pytest

pytest.importorskip("numpy", reason="counts and sorts the figures of all networks")

from tests.space import compare_large


def test_figures_of_large_spaces_are_those_of_all_networks(capsys: pytest.CaptureFixture[str]) -> None:
    compare_large.main(["--spaces", "4", "--least", "300", "--most", "2000"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("4 spaces with ")
