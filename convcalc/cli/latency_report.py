"""Makes and writes the report of `convcalc latency`: reads the device and the network, and estimates its time."""

import sys
from typing import NamedTuple

from convcalc.analysis.report import Report, analyse
from convcalc.cli import common, writing
from convcalc.cli.devices import check_dtype, fail_option, read_device_option
from convcalc.device.energy import estimate_energy
from convcalc.device.latency import FUSED, Latency, estimate_latency, list_kernels
from convcalc.problems import Flaw, printable
from convcalc.render.latency import LatencyPage, latency_lines, latency_markdown
from convcalc.spec.inputs import Overrides

SMALLEST_BATCH = 384  # of those that were measured
CPU_ERROR = 0.47  # median error on the CPU that was measured
DEPTHWISE = (0.38, 0.46)  # share of the roofline that compiled networks of depthwise convolutions reached


class Request(NamedTuple):
    """The values of the command's options and of its argument NET."""

    net: str
    overrides: Overrides
    device: str
    mode: str
    energy: bool
    limit: int | None
    format: str


def write_report(request: Request, where: writing.Output) -> int:
    """Write the report and return the exit status.

    Raises Failure if an option is wrong or the device lacks a figure, and InvalidSpec if the spec is invalid.
    """
    device = read_device_option(request.device, where)
    check_dtype(device, request.overrides)
    report = analyse(common.load(request.net, request.overrides, where))
    try:
        latency = estimate_latency(report, device, request.mode)
        energy = estimate_energy(report, latency) if request.energy else None
    except Flaw as flaw:
        raise fail_option("--device", flaw) from None
    page = _make_page(report, latency, request, where.quiet)._replace(energy=energy)
    writing.write_text(_render(latency, page, request.format, where), where, [request.net])
    return 0


def _make_page(report: Report, latency: Latency, request: Request, quiet: bool) -> LatencyPage:
    network = report.network
    inputs = ", ".join(f"{name} {shape}" for name, shape in network.inputs.items())
    outputs = ", ".join(f"{name} {shape}" for name, shape in report.outputs().items())
    facts = (f"{inputs} → {outputs}", latency.dtype, f"batch {network.batch}")
    notes = () if quiet else tuple(_list_notes(report, latency))
    return LatencyPage(network.name, facts, network.file, network.batch, notes, None, request.limit)


def _list_notes(report: Report, latency: Latency) -> list[str]:
    """Return what to know about the figures: where they come from, and when they are known to be wrong."""
    network, device = report.network, latency.device
    if latency.ridge is None:
        own = network.dtype.activations
        other = [f"the spec's data type is {own}; the figures are for int8"] if own != "int8" else []
        return [*other, "from the fastest to the slowest software; only layers with multiply-accumulates take time"]
    notes = [f"efficiency: {latency.efficiency.source}"]
    if network.batch < SMALLEST_BATCH:
        notes.append(
            f"a batch of {network.batch} may not fill the device, and then takes longer: the time to launch kernels is "
            f"not counted, and the efficiencies that come with convcalc were fitted to batches from {SMALLEST_BATCH}"
        )
    kinds = {kind for node in network.nodes for kind, _ in list_kernels(node.layer)}
    if latency.mode == FUSED and "depthwise_conv" in kinds:
        low, high = DEPTHWISE
        notes.append(f"compiled networks of depthwise convolutions reached {low} to {high} of the roofline")
    memory, peak = device.figures["memory"], report.totals.peak_memory + report.totals.weight_memory
    if memory is not None and peak > memory.low:
        notes.append(f"weights and live tensors need {peak:,} B; the device has {memory.value:,} B")
    if device.kind == "cpu":
        notes.append(
            f"on the CPU that was measured, half of the errors were above {CPU_ERROR:.0%}: make no decision by it"
        )
    return notes


def _render(latency: Latency, page: LatencyPage, format: str, where: writing.Output) -> str:
    if format == "table":
        return writing.render_text(latency_lines(latency, page, writing.table_width(where)), where)
    if format == "markdown":
        return latency_markdown(latency, page)
    from convcalc.render.latency_data import draw_roofline, latency_csv, latency_json

    if format == "json":
        return latency_json(latency, page)
    if format == "csv":
        return latency_csv(latency)
    if where.file is None and sys.stdout.isatty():
        raise writing.Failure("a picture cannot be shown in a terminal: add -o FILE.svg")
    from convcalc.render.drawing.svg import write_svg

    try:
        return write_svg(draw_roofline(latency, page))
    except ValueError as error:
        raise writing.Failure(f"-f svg: {printable(str(error))}") from None
