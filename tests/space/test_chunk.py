"""Columns of rows, as they are sent between processes with numpy and without it."""

import pickle
from typing import Any

import pytest

from convcalc.space.chunk import Chunk, make_chunk

COLUMNS: list[list[Any]] = [[1, 2, -3], [0.1, -0.0, 1e300], ["a", "b", "a"], [1, None, 2], [1, 2.5, 3], [2**70, 1, 2]]
COLUMNS += [[True, False, True], [[1, 2], [3], []]]


def test_sent_columns_are_equal_and_have_the_same_types() -> None:
    sent = pickle.loads(pickle.dumps(Chunk(COLUMNS, 3)))
    assert len(sent) == 3
    assert repr(sent.list_columns()) == repr(COLUMNS)
    assert sent.list_rows(2) == list(zip(*COLUMNS, strict=True))[:2]


def test_columns_of_numpy_are_sent_as_those_of_python() -> None:
    np: Any = pytest.importorskip("numpy", exc_type=ImportError)
    columns = [
        np.array([1, 2, 3]),
        np.array([0.5, 1, 2]),
        np.array(["a", None, "c"], dtype=object),
        np.array([1, 0, 1]),
    ]
    columns[3] = columns[3].astype(bool)
    columns += [np.array([5, 6, 7], dtype=np.int32), np.broadcast_to(np.int64(4), 3)]
    sent = pickle.loads(pickle.dumps(Chunk(columns, 3)))
    assert b"numpy" not in pickle.dumps(Chunk(columns, 3))
    assert repr(sent.list_columns()) == repr([column.tolist() for column in columns])


def test_a_chunk_without_rows_has_its_columns() -> None:
    empty = make_chunk([], 2)
    assert empty.list_columns() == [(), ()]
    assert empty.list_rows() == []
    assert make_chunk([(1, "a"), (2, "b")], 2).list_columns() == [(1, 2), ("a", "b")]
