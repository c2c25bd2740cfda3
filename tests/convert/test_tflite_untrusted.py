"""An untrusted TFLite file is refused with a message or read; it cannot exhaust memory or time."""

import contextlib
import io
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcalc
from convcalc.cli.main import run
from convcalc.convert.decompile.spec_writer import spec_text
from convcalc.convert.graph import NotImported
from convcalc.convert.tflite import flatbuffer, model_file, reader
from convcalc.convert.tflite.rules import RULES
from tests.convert.test_tflite import residual_block
from tests.support.tflite_files import CODES, Op, Scalar, T, Vector, i, integers, pack, tflite, window

CONTENT = residual_block()
NUMBERS = (0, 1, 2, 3, -1, -2, 127, 255, 2**16, 2**31 - 1, -(2**31))


def read(path: Path, content: bytes) -> None:
    """Read a file; if it is accepted, its spec must load."""
    path.write_bytes(content)
    with contextlib.suppress(NotImported):
        convcalc.load(io.StringIO(spec_text(reader.read(str(path)))))


def refuse(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(NotImported, match=message):
        reader.read(str(path))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "any.tflite"


@settings(max_examples=200, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_are_read_or_refused(path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(CONTENT)
    for place, value in changes:
        content[place] = value
    read(path, bytes(content))


@settings(max_examples=100, deadline=2000)
@given(st.integers(2, len(CONTENT) // 4 - 1), st.sampled_from(NUMBERS))
def test_changed_offsets_and_lengths_are_read_or_refused(path: Path, place: int, number: int) -> None:
    content = bytearray(CONTENT)
    struct.pack_into("<q", content, 4 * place, number)
    read(path, bytes(content[: len(CONTENT)]))


def test_a_truncated_file_is_read_or_refused(path: Path) -> None:
    for size in [*range(120), *range(120, len(CONTENT), 97)]:
        read(path, CONTENT[:size])


@pytest.mark.parametrize("name", sorted(CODES))
def test_an_operator_with_arbitrary_inputs_is_read_or_refused(name: str, path: Path) -> None:
    chooser = random.Random(name)
    for _ in range(12):
        shapes = [tuple(chooser.choice((0, 1, 2, 5)) for _ in range(chooser.randrange(5))) for _ in range(3)]
        constants = [
            integers(*(chooser.choice(NUMBERS) for _ in range(chooser.randrange(5)))),
            T(shapes[2], data=True),
            T((4, 3, 3, 3), data=True),
        ]
        tensors = [T((1, 6, 5, 3)), T(shapes[0]), T(shapes[1]), *constants]
        inputs = [chooser.choice((0, 0, 3, 4, 5, -1)) for _ in range(chooser.randrange(6))]
        options = {field: i(chooser.choice(NUMBERS)) for field in range(chooser.randrange(7))}
        read(path, tflite(tensors, [Op(name, inputs, [1, 2][: chooser.randint(1, 2)], options)]))


def test_every_rule_is_for_an_operator_of_the_schema() -> None:
    from convcalc.convert.tflite.operator_names import BUILTIN_OPERATORS

    assert set(RULES) <= set(BUILTIN_OPERATORS)
    assert {BUILTIN_OPERATORS[number]: number for number in CODES.values()} == CODES


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0TFL", b"\x1c\0\0\0GGUF" + bytes(40)])
def test_another_file_is_refused(content: bytes, path: Path) -> None:
    refuse(path, content, "not a TFLite model")


@pytest.mark.parametrize("offset", [0, 2**31, 2**32 - 1])
def test_a_wrong_offset_of_the_root_is_refused(offset: int, path: Path) -> None:
    refuse(path, struct.pack("<I", offset) + b"TFL3" + bytes(64), "outside the file|no subgraph")


def test_a_vector_that_is_longer_than_the_file_is_refused(path: Path) -> None:
    content = bytearray(tflite([T((1, 4, 4, 3))], [Op("RELU", [0], [0])]))
    place = content.index(struct.pack("<5I", 4, 1, 4, 4, 3))
    for length in (1000, 2**30, 2**32 - 1):
        struct.pack_into("<I", content, place, length)
        refuse(path, bytes(content), "outside the file")


def test_a_file_without_a_subgraph_is_refused(path: Path) -> None:
    refuse(path, pack({0: Scalar("I", 3)}), "it has no subgraph")


@pytest.mark.parametrize(
    ("tensors", "operator", "message"),
    [
        ([T((1, 4)), T((1, 4))], Op("RELU", [7], [1]), "there is no tensor 7"),
        ([T((1, 4)), T((1, 4))], Op("RELU", [-2], [1]), "there is no tensor -2"),
        ([T((1, 4)), T((1, 4))], Op("RELU", [0], [-1]), "there is no tensor -1"),
        ([T((1, 4)), T((1, 4), name="loop")], Op("RELU", [1], [1]), "reads 'loop', which no earlier operator produces"),
        ([T((1, 4), name="in"), T((1, 4))], Op("RELU", [0], [0]), "produces 'in', which already exists"),
        ([T((1, -4)), T((1, 4))], Op("RELU", [0], [1]), r"has the shape \[1, -4\]"),
        ([T((1,) * 65), T((1, 4))], Op("RELU", [0], [1]), "malformed: the tensor"),
        ([T((10**6, 10**6)), T((1, 4))], Op("RELU", [0], [1]), "elements; at most 100,000,000,000 are supported"),
        ([T((1, 4)), T((1, 4)), T((3, 4), data=bytes(44))], Op("ADD", [0, 2], [1]), "has 44 bytes instead of 48"),
        ([T((1, 4)), T((1, 4)), T((3, 5), data=True)], Op("FULLY_CONNECTED", [0, 2], [1]), "its weights have 5 col"),
        ([T((1, 4, 4, 1)), T((1, 4)), T((3, 5, 5, 1), data=True)], Op("CONV_2D", [0, 2], [1], window()), "not fit"),
        ([T((1, 4, 4, 1)), T((1, 4)), T((3, 1, 1, 1), data=True)], Op("CONV_2D", [0, 2], [1], {}), "is malformed"),
        ([T((1, 4)), T((1, 4))], Op("TILE", [0, 2], [1]), "there is no tensor 2"),
        ([T((1, 4)), T((1, 4)), integers(1, 2**31 - 1)], Op("TILE", [0, 2], [1]), None),
        ([T((9, 4)), T((1, 4)), integers(2**31 - 1, 2**31 - 1)], Op("TILE", [0, 2], [1]), "which is not supported"),
    ],
)  # fmt: skip
def test_a_malformed_model_is_refused_with_the_reason(
    tensors: list[T], operator: Op, message: str | None, path: Path
) -> None:
    content = tflite(tensors, [operator])
    if message is None:
        read(path, content)
    else:
        refuse(path, content, message)


def test_an_output_that_nothing_produces_is_refused(path: Path) -> None:
    content = tflite([T((1, 4)), T((1, 4)), T((1, 4), name="lost")], [Op("RELU", [0], [1])], [0], [2])
    refuse(path, content, "no operator produces the output 'lost'")


def chain(length: int) -> bytes:
    tensors = [T((1, 4)) for _ in range(length + 1)]
    return tflite(tensors, [Op("RELU", [place], [place + 1]) for place in range(length)])


@pytest.mark.parametrize(("name", "what"), [("MOST_OPERATORS", "operators"), ("MOST_TENSORS", "tensors")])
def test_more_elements_than_the_limit_are_refused(
    name: str, what: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 9
    most = count if what == "operators" else count + 1
    monkeypatch.setattr(model_file, name, most)
    path.write_bytes(chain(count))
    assert len(reader.read(str(path)).steps) == count
    refuse(path, chain(count + 1), f"more than {most} {what}")


def test_a_table_that_is_listed_often_cannot_multiply_the_work(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the tensors is the same table, and costs four bytes in the file."""
    monkeypatch.setattr(flatbuffer, "MOST_BYTES_READ", 2**20)
    count = 20_000
    content = bytearray(pack({2: [{0: Vector("I", [0] * count)}]}))
    start = content.index(struct.pack("<2I", count, 0)) + 4
    end = len(content) + 4  # behind a table without fields: its vtable of four bytes, then the offset of the vtable
    struct.pack_into(f"<{count}I", content, start, *(end - place for place in range(start, start + 4 * count, 4)))
    refuse(path, bytes(content + struct.pack("<2Hi", 4, 4, 4)), "more than 1 MiB besides its weights")


def test_the_bytes_that_are_read_are_limited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(CONTENT)
    sizes = []
    count = flatbuffer.FlatBuffer.count

    def watch(buffer: flatbuffer.FlatBuffer, size: int) -> None:
        count(buffer, size)
        sizes.append(buffer.bytes_read)

    monkeypatch.setattr(flatbuffer.FlatBuffer, "count", watch)
    reader.read(str(path))
    monkeypatch.setattr(flatbuffer, "MOST_BYTES_READ", sizes[-1])
    reader.read(str(path))
    monkeypatch.setattr(flatbuffer, "MOST_BYTES_READ", sizes[-1] - 1)
    refuse(path, CONTENT, "besides its weights")


def test_hostile_names_are_escaped(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[31mred\x07\n[bold]x[/bold]"
    tensors = [T((1, 4, 4, 3), name=hostile), T((1, 4), name=f"a/{hostile}/b"), T((2, 2), data=True, name=hostile)]
    path.write_bytes(tflite(tensors, [Op(hostile, [0, 2], [1])]))
    for command in (["summary"], ["import"], ["check"], ["explain"]):
        assert run([*command, str(path)]) == 0
        said = "".join(capsys.readouterr())
        assert "\x1b[31m" not in said
        assert "\x07" not in said
        assert hostile not in said


def test_many_inputs_with_one_name_take_no_longer(path: Path) -> None:
    count = 3000
    tensors = [T((1, 4), name="x") for _ in range(count)] + [T((1, 4 * count))]
    path.write_bytes(tflite(tensors, [Op("CONCATENATION", range(count), [count], {0: i(1)})], range(count)))
    assert len(reader.read(str(path)).inputs) == count
