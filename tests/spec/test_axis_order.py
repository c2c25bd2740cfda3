"""Shapes in the axis order of other frameworks, and the suggested corrections."""

import pytest

from convcalc.axis_order import find_misreading
from convcalc.size_correction import SizeCorrection, suggest_sizes

LIKELY = [
    ((1, 3, 224, 224), (3, 224, 224)),
    ((1, 224, 224, 3), (3, 224, 224)),
    ((1, 1, 28, 28), (1, 28, 28)),
    ((1, 64, 56, 56), (64, 56, 56)),
    ((224, 224, 3), (3, 224, 224)),
    ((28, 28, 1), (1, 28, 28)),
    ((96, 96, 4), (4, 96, 96)),
    ((16, 112, 112, 3), (3, 16, 112, 112)),
]
USUAL = [
    (784,), (1, 8000), (3, 224, 224), (1, 28, 28), (1, 49, 10), (3, 480, 640), (64, 1, 1), (3, 3, 3), (3, 16, 112, 112),
    (2, 64, 64, 64), (224, 112, 3), (3, 16, 16, 4), (40, 40, 2), (4, 4, 4),
]  # fmt: skip


@pytest.mark.parametrize(("sizes", "likely"), LIKELY)
def test_a_shape_in_another_axis_order_is_noticed(sizes: tuple[int, ...], likely: tuple[int, ...]) -> None:
    found = find_misreading(sizes)
    assert found is not None
    assert found.likely == likely


@pytest.mark.parametrize("sizes", USUAL, ids=str)
def test_a_shape_with_the_channels_first_is_accepted_silently(sizes: tuple[int, ...]) -> None:
    assert find_misreading(sizes) is None


def test_a_leading_one_is_not_a_batch_if_four_sizes_are_expected() -> None:
    assert find_misreading((1, 64, 128, 128), may_hold_batch=False) is None


@pytest.mark.parametrize(
    ("given", "own", "expected"),
    [
        ((1, 3, 224, 224), (3, 224, 224), SizeCorrection("leave out the batch size", (3, 224, 224), 1)),
        ((8, 3, 64, 64), (3, 224, 224), SizeCorrection("leave out the batch size", (3, 64, 64), 8)),
        ((1, 1, 64, 64), (3, 224, 224), SizeCorrection("leave out the batch size", (1, 64, 64), 1)),
        (
            (8, 64, 48, 3),
            (3, 224, 224),
            SizeCorrection("leave out the batch size and put the channels first", (3, 64, 48), 8),
        ),
        ((64, 64), (3, 224, 224), SizeCorrection("put the channels first", (3, 64, 64))),
        ((3, 64), (3, 224, 224), SizeCorrection("give 3 sizes, channels first", (3, 224, 224))),
        ((5, 16, 64, 64), (3, 224, 224), SizeCorrection("give 3 sizes, channels first", (3, 224, 224))),
        ((1, 784), (784,), SizeCorrection("leave out the batch size", (784,), 1)),
        ((1, 28, 28), (784,), SizeCorrection("give 1 size", (784,))),
    ],
)
def test_corrections_for_a_wrong_number_of_sizes(
    given: tuple[int, ...], own: tuple[int, ...], expected: SizeCorrection
) -> None:
    assert suggest_sizes(given, own) == expected
