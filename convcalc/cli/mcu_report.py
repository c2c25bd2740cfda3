"""Makes and writes the report of `convcalc mcu`: reads the network and the board, plans, and patches."""

import sys
from typing import Any, NamedTuple

from convcalc.cli import common, writing
from convcalc.cli.devices import fail_option, read_device_option
from convcalc.device.device_file import Device
from convcalc.device.from_tflite import expand_offsets, read_program
from convcalc.device.lowering import DTYPES
from convcalc.device.mcu import McuReport, convert_to_int8, measure, measure_network
from convcalc.device.offline_plan import plan_offline
from convcalc.device.patches import MOST_EXTRA, PatchPlanner, choose_patching, read_patching
from convcalc.device.plan_file import add_plan
from convcalc.device.program import NoOperator
from convcalc.device.runtime_names import DEFAULT_RUNTIME
from convcalc.device.runtimes import FLOAT_KERNELS, Runtime, find_runtime
from convcalc.device.savings import suggest_savings
from convcalc.network import Network
from convcalc.problems import Flaw, NotImported, printable, show
from convcalc.render.mcu import McuPage, mcu_lines
from convcalc.render.mcu_data import draw_arena, mcu_json
from convcalc.spec.budget import read_quantity
from convcalc.spec.files import explain_unreadable
from convcalc.spec.inputs import Overrides


class Request(NamedTuple):
    """The values of the command's options and of its argument NET, as the user wrote them."""

    net: str
    overrides: Overrides
    runtime: str | None
    device: str | None
    ram: str | None
    flash: str | None
    code: str | None
    plan: bool
    patches: str | None
    format: str


def write_report(request: Request, where: writing.Output) -> int:
    """Write the report, and the planned file if one is asked for; return the exit status.

    Raises Failure if an option is wrong or the memory cannot be computed, and InvalidSpec if the spec is invalid.
    """
    board = None if request.device is None else read_device_option(request.device, where, ("microcontroller",))
    runtime = _choose_runtime(request.runtime or ("tinyengine" if request.patches else None), board)
    ram = _read_memory("--ram", request.ram, board and board.figures["ram"])
    flash = _read_memory("--flash", request.flash, board and board.figures["flash"])
    net = request.net
    try:
        report, page = _report(net, request.overrides, runtime, _read_memory("--code", request.code), where)
        if request.patches is not None:
            page = _choose_patches(page, _read_patching(request.patches), request, runtime, ram)
    except (NoOperator, NotImported) as error:
        raise writing.Failure(f"{printable(net)}: {printable(str(error))}") from None
    page = page._replace(device=request.device, ram=ram, flash=flash)
    if request.plan:
        report, page, where = _apply_plan(report, page, net, where)
    _write(report, page, request.format, where, net)
    return 0


def _apply_plan(
    report: McuReport, page: McuPage, net: str, where: writing.Output
) -> tuple[McuReport, McuPage, writing.Output]:
    """Return the report with an offline plan. With -o FILE.tflite, write the planned file, and the report to stdout."""
    if not report.runtime.plans:
        raise writing.Failure(
            f"--plan: {report.runtime.name} does not place buffers; use a runtime such as tflm-reference"
        )
    found = plan_offline(report)
    gap = found.after.head - report.lower_bound
    bound = (
        "no placement is smaller" if found.optimal else f"{gap:,} B above the lower bound of {report.lower_bound:,} B"
    )
    page = page._replace(
        notes=(*page.notes, f"offline plan: a head of {found.after.head:,} B instead of {found.before:,} B; {bound}"),
        suggestions=tuple(
            one for one in page.suggestions if "--plan" not in one.change and one.arena < found.after.arena
        ),
    )
    if where.file is not None and where.file.lower().endswith(".tflite"):
        if report.program.file_bytes is None:
            raise writing.Failure(
                f"-o {printable(where.file)}: only a TFLite file can be written with a plan, not a spec"
            )
        writing.write_bytes(_plan_file(net, found.offsets), where, [net])
        page = page._replace(notes=(*page.notes, f"{where.file} has this plan; nothing else in it differs from {net}"))
        where = writing.Output(None, where.color, where.quiet)
    return found.after, page, where


def _plan_file(net: str, offsets: tuple[int, ...]) -> bytes:
    """Return the content of a TFLite file with a plan. Raises Failure if that is not possible."""
    try:
        with open(net, "rb") as stream:
            return add_plan(stream.read(), expand_offsets(net, offsets))
    except NotImported as error:
        raise writing.Failure(f"{printable(net)}: {printable(str(error))}") from None
    except OSError as error:
        raise writing.Failure(f"{printable(net)}: {explain_unreadable(net, error)}") from None


def _read_patching(text: str) -> tuple[int, str] | None:
    """Return the patches per axis and the layer of --patches, None for auto. Raises Failure if it is malformed."""
    try:
        return None if text == "auto" else read_patching(text)
    except Flaw as flaw:
        raise writing.Failure(f"--patches {flaw.message}") from None


def _choose_patches(
    page: McuPage, asked: tuple[int, str] | None, request: Request, runtime: Runtime, ram: int | None
) -> McuPage:
    """Return the page with the ways to run the network in patches. Raises NoOperator if that is not possible."""
    quiet = writing.Output(None, "never", True)
    document, overrides = common.read_document(request.net, request.overrides, quiet)
    planner = PatchPlanner(common.build_network(document, overrides, quiet), runtime, _choose_dtype(overrides))
    if asked is not None:
        found = planner.patch(planner.find_cut(asked[1]), asked[0])
        return page._replace(patchings=(found,), chosen=found)
    front = planner.list_front()
    if not front:
        return page._replace(notes=(*page.notes, "no way to run the first layers in patches lowers the peak"))
    chosen = choose_patching(front, ram)
    page = page._replace(patchings=tuple(front), chosen=chosen)
    if ram is None and chosen is not None and not chosen.is_cheap:
        note = f"every way to run in patches costs more than {MOST_EXTRA:.0%} more MACs; the cheapest is marked"
        return page._replace(notes=(*page.notes, note))
    return page


def _choose_runtime(name: str | None, board: Device | None) -> Runtime:
    """Return the runtime that the user chose, else that of the board. Raises Failure if there is none of that name."""
    try:
        return find_runtime(name or (board and board.runtime) or DEFAULT_RUNTIME)
    except Flaw as flaw:
        raise fail_option("--runtime", flaw) from None


def _read_memory(option: str, text: str | None, figure: Any = None) -> int | None:
    """Return the bytes that an option states, else those of the board. Raises Failure if the text is not a quantity."""
    if text is None:
        return None if figure is None else int(figure.value)
    try:
        found = read_quantity("peak_memory", text, option)
    except Flaw as flaw:
        raise writing.Failure(flaw.text) from None
    if found == 0 and option != "--code":
        raise writing.Failure(f"{option} must be more than 0 bytes; got {show(text)}")
    return found


def _report(
    net: str, overrides: Overrides, runtime: Runtime, code: int | None, where: writing.Output
) -> tuple[McuReport, McuPage]:
    """Return the report of a network, and what to show with it. Raises NoOperator, Failure and InvalidSpec."""
    if runtime.plans and _is_tflite(net) and overrides.is_empty:
        return _report_file(net, runtime, code, where)
    document, overrides = common.read_document(net, overrides, where)
    dtype = _choose_dtype(overrides)
    network = common.build_network(document, overrides, where)
    report = measure_network(network, runtime, dtype, code)
    page = _make_page(network, report)
    if not where.quiet:
        found = suggest_savings(report, network, common.make_reader(document), overrides)
        page = page._replace(suggestions=tuple(found))
    return report, page


def _is_tflite(net: str) -> bool:
    try:
        with open(net, "rb") as stream:
            return stream.read(8)[4:] == b"TFL3"
    except OSError:
        return False


def _choose_dtype(overrides: Overrides) -> str:
    """Return the data type of --dtype, int8 by default. Raises Failure if it is not one that is supported."""
    if overrides.dtype is None:
        return DTYPES[0]
    if overrides.dtype not in DTYPES:
        got = "several data types" if isinstance(overrides.dtype, dict) else show(overrides.dtype)
        raise writing.Failure(f"--dtype must be {' or '.join(DTYPES)} for microcontrollers; got {got}")
    return str(overrides.dtype)


def _report_file(net: str, runtime: Runtime, code: int | None, where: writing.Output) -> tuple[McuReport, McuPage]:
    """Return the report of a TFLite file, whose operators and tensors are those in the file."""
    try:
        program = read_program(net)
    except OSError as error:
        raise writing.Failure(f"{printable(net)}: {explain_unreadable(net, error)}") from None
    report = measure(program, runtime, code)
    facts = (_count(len(program.operators), "operator"), _count(program.count_tensors(), "tensor"), program.dtype)
    notes: list[str] = []
    if program.dtype == "float32" and not any(operator.code in FLOAT_KERNELS for operator in program.operators):
        small = measure(convert_to_int8(program), runtime, code)
        notes.append(
            f"the file is in float32: in int8, the head would be {small.head:,} B instead of {report.head:,} B"
        )
    found = () if where.quiet else tuple(suggest_savings(report, None, None, Overrides()))
    return report, McuPage(program.name, ("TFLite file", *facts), net, None, None, None, tuple(notes), found)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _make_page(network: Network, report: McuReport) -> McuPage:
    inputs = ", ".join(f"{name} {shape}" for name, shape in network.inputs.items())
    outputs = ", ".join(f"{name} {network.tensor_shape(tensor)}" for name, tensor in network.outputs.items())
    program, own = report.program, network.dtype.activations
    notes: list[str] = []
    if program.dtype == "int8" and own != "int8":
        notes.append(f"the spec's data type is {own}; the figures are for int8, after quantisation")
    if program.dtype == "float32":
        small = measure_network(network, report.runtime)
        notes.append(f"in int8, the arena would be about {small.arena:,} B instead of {report.arena:,} B")
    count = _count(len(program.operators), "operator")
    facts = (f"{inputs} → {outputs}", program.dtype, f"batch {network.batch}", count)
    return McuPage(network.name, facts, network.file, None, None, None, tuple(notes), ())


def _write(report: McuReport, page: McuPage, format: str, where: writing.Output, net: str) -> None:
    if format == "json":
        text = mcu_json(report, page)
    elif format == "svg":
        if where.file is None and sys.stdout.isatty():
            raise writing.Failure("a picture cannot be shown in a terminal: add -o FILE.svg")
        from convcalc.render.drawing.svg import write_svg

        try:
            text = write_svg(draw_arena(report, page))
        except ValueError as error:
            raise writing.Failure(f"-f svg: {printable(str(error))}") from None
    else:
        text = writing.render_text(mcu_lines(report, page, writing.table_width(where)), where)
    writing.write_text(text, where, [net])
