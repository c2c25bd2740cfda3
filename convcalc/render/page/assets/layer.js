// Everything about the selected layer or scope: its arguments, shapes and figures.

const FIGURES = [
  ["params", "params"],
  ["trainable_params", "trainable"],
  ["buffers", "buffers"],
  ["macs", "MACs"],
  ["flops", "FLOPs"],
  ["multiplications", "multiplications"],
  ["additions", "additions"],
  ["input_memory", "inputs"],
  ["weight_memory", "weights"],
  ["activation_memory", "activations"],
  ["live_memory", "live"],
];

class LayerDetails {
  constructor(network) {
    this.network = network;
    this.element = make("section", { class: "layer" });
    network.onSelect((item) => this.show(item));
    this.element.append(
      make("p", { class: "empty" }, "Select a layer in the table, the graph or the memory timeline."),
    );
  }

  show(item) {
    const { figures } = item;
    const facts = [
      ["kind", figures.kind],
      ...(item.isScope ? [["layers", formatExact(item.stop - item.start)]] : [["reads", figures.from.join(", ")]]),
      ["input", figures.input_shapes.map(formatShape).join(" + ")],
      ["output", formatShape(figures.output_shape)],
      ["receptive field", formatField(figures.receptive_field)],
      ["jump", formatJump(figures.receptive_field)],
    ];
    const settings = Object.entries(figures.arguments || {}).map(([name, value]) => [name, formatArgument(value)]);
    this.element.replaceChildren(
      make("h3", {}, item.name, this.makeLine(figures.line)),
      makeList(facts.filter(([, text]) => text !== "")),
      ...(settings.length ? [make("h4", {}, "Arguments"), makeList(settings)] : []),
      make("h4", {}, "Figures"),
      makeList(
        [
          ...FIGURES.map(([name, title]) => [title, formatExactAmount(name, figures[name]), this.describe(item, name)]),
          ...(item.seconds === undefined ? [] : [["latency", formatDuration(item.seconds)]]),
        ],
      ),
    );
  }

  makeLine(line) {
    const id = `n${this.network.number}-line${line}`;
    if (line === null || !document.getElementById(id)) return null;
    return make("a", { href: `#${id}` }, `line ${line}`);
  }

  describe(item, name) {
    const total = this.network.report.totals[name];
    const figure = item.figures[name];
    const share =
      figure && total && name !== "live_memory" && name !== "input_memory" ? formatPercent(figure / total) : "";
    return [formatAmount(name, figure), share].filter(Boolean).join(", ");
  }
}

function makeList(rows) {
  return make(
    "dl",
    {},
    rows
      .map(([name, text, note]) => [
        make("dt", {}, name),
        make("dd", {}, make("span", {}, text), note && note !== text ? make("span", { class: "note" }, note) : null),
      ])
      .flat(),
  );
}
