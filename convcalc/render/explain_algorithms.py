"""Writes what a convolution costs with each of the usual algorithms, as text, Markdown or JSON."""

import json
from typing import Any, NamedTuple

from convcalc.analysis.report import LayerReport, Report
from convcalc.explain.algorithms import KINDS, Algorithm, Task, list_algorithms, make_task
from convcalc.explain.fast_algorithms import LARGEST_KERNEL, find_fft_start
from convcalc.render.cells import Cells, cell_markdown, cell_table
from convcalc.render.layers import hang_text
from convcalc.render.lines import GAP, Block, wrap_facts
from convcalc.render.markdown import escape
from convcalc.render.rows import layer_row
from convcalc.units import format_bytes, format_exact

_SCHEMA = "convcalc/algorithms/1"
_COUNTED = (
    "Operations are for the whole batch, with products of padding zeros and the bias, without the transforms of the "
    "weights, which are done once. A workspace holds the intermediate tensors of one sample."
)
_SOURCES = (
    "Lavin and Gray 2016, Fast algorithms for convolutional neural networks; Mathieu, Henaff and LeCun 2014, Fast "
    "training of convolutional networks through FFTs"
)


class NoConvolution(ValueError):
    """Raised if none of the requested layers is a convolution whose algorithms are known."""


class Subject(NamedTuple):
    """A layer, its convolution, what it costs with each algorithm, and from which kernel size on FFT pays."""

    layer: LayerReport
    task: Task
    algorithms: list[Algorithm]
    fft_start: int | None


def find_subjects(report: Report, layers: list[LayerReport]) -> list[Subject]:
    """Return the convolutions among some layers. Raises NoConvolution if there are none."""
    dtype, batch = report.network.dtype, report.network.batch
    found = []
    for layer in layers:
        if layer.kind in KINDS:
            task = make_task(layer.layer, dtype, batch)
            found.append(Subject(layer, task, list_algorithms(layer.layer, dtype, batch), find_fft_start(task)))
    if not found:
        first = layers[0]
        raise NoConvolution(f"{first.name} is of the kind {first.kind}; --algorithms explains only {', '.join(KINDS)}")
    return found


# -- text and Markdown


def algorithm_lines(subjects: list[Subject], width: int | None, in_words: bool) -> list[Block]:
    """Return a table of algorithms per layer, and remarks on them; without `in_words`, no definitions at the end."""
    lines: list[Block] = []
    for subject in subjects:
        lines += [[]] if lines else []
        facts = _list_facts(subject)
        lines += wrap_facts([subject.layer.name, *facts], width, "title")
        lines += [[], cell_table(_make_cells(subject), width, first=""), []]
        for name, text in _list_remarks(subject):
            lines += hang_text(f"{name:<22}{GAP}", text, width, "head")
    if in_words:
        lines.append([])
        for name, text in (("counted", _COUNTED), ("source", _SOURCES)):
            lines += hang_text(f"{name:<22}{GAP}", text, width, "head", "dim")
    return lines


def algorithm_markdown(subjects: list[Subject]) -> str:
    """Return a table of algorithms per layer, and remarks on them, as Markdown."""
    lines = []
    for subject in subjects:
        lines += [f"### {escape(subject.layer.name)}", "", escape(" · ".join(_list_facts(subject))), ""]
        lines += [*cell_markdown(_make_cells(subject)), ""]
        lines += [*(f"- *{escape(name)}*: {escape(text)}" for name, text in _list_remarks(subject)), ""]
    return "\n".join([*lines, f"*Counted*: {escape(_COUNTED)}", "", f"*Source*: {escape(_SOURCES)}", ""])


def _list_facts(subject: Subject) -> list[str]:
    layer = subject.layer
    return [layer_row(layer, layer.name, 0, 0).what, f"{layer.layer.input} → {layer.output_shape}"]


def _make_cells(subject: Subject) -> list[Cells]:
    """Return the columns of the table, with one row per algorithm that applies."""
    shown = [algorithm for algorithm in subject.algorithms if algorithm.work is not None]
    works = [algorithm.work for algorithm in shown if algorithm.work is not None]
    direct = works[0].multiplications
    return [
        Cells("algorithm", [algorithm.name for algorithm in shown], right=False),
        Cells("multiplications", [format_exact(work.multiplications) for work in works]),
        Cells("of direct", [f"{work.multiplications / direct:.2f}×" for work in works], 5),
        Cells("additions", [format_exact(work.additions) for work in works], 7),
        Cells("workspace", [format_bytes(algorithm.workspace_memory) for algorithm in shown], 8),
    ]


def _list_remarks(subject: Subject) -> list[tuple[str, str]]:
    """Return the names of the algorithms with what there is to say about each."""
    found = []
    for algorithm in subject.algorithms:
        if algorithm.reason:
            found.append((algorithm.name, f"does not apply: {algorithm.reason}"))
            continue
        texts = [algorithm.note] if algorithm.note else []
        if algorithm.weights_memory:
            transforms = algorithm.transforms
            texts.append(
                f"{transforms.multiplications:,} multiplications and {transforms.additions:,} additions are transforms"
            )
            texts.append(f"transformed weights have {format_bytes(algorithm.weights_memory)}")
        if algorithm.name == "FFT":
            texts.append(_describe_start(subject.fft_start))
        found += [(algorithm.name, "; ".join(texts))] if texts else []
    return found


def _describe_start(start: int | None) -> str:
    if start is None:
        return f"at no kernel size up to {LARGEST_KERNEL} are there fewer operations than in direct convolution"
    return f"fewer operations than direct convolution from a kernel size of {start} on every axis"


# -- for programs


def algorithm_json(report: Report, subjects: list[Subject]) -> str:
    """Return the algorithms of some layers as JSON text."""
    network = report.network
    head = {"schema": _SCHEMA, "name": network.name, "file": network.file, "batch": network.batch}
    return json.dumps({**head, "layers": list(map(_subject_dict, subjects))}, indent=1) + "\n"


def _subject_dict(subject: Subject) -> dict[str, Any]:
    layer = subject.layer
    return {
        "name": layer.name,
        "kind": layer.kind,
        "input_shapes": [list(shape.sizes) for shape in layer.layer.inputs],
        "output_shape": list(layer.output_shape.sizes),
        "algorithms": list(map(_algorithm_dict, subject.algorithms)),
        "fft_pays_from": subject.fft_start,
    }


def _algorithm_dict(algorithm: Algorithm) -> dict[str, Any]:
    """Return an algorithm as JSON data; its figures are None if it does not apply."""
    work = algorithm.work
    figures = None
    if work is not None:
        figures = {
            "multiplications": work.multiplications,
            "additions": work.additions,
            "transform_multiplications": algorithm.transforms.multiplications,
            "transform_additions": algorithm.transforms.additions,
            "preparation_multiplications": algorithm.preparation.multiplications,
            "preparation_additions": algorithm.preparation.additions,
            "workspace_memory": algorithm.workspace_memory,
            "transformed_weight_memory": algorithm.weights_memory,
        }
    return {
        "name": algorithm.name,
        "reason": algorithm.reason or None,
        "note": algorithm.note,
        "figures": figures,
    }
