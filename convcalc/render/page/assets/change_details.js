// What changed in the selected layer or scope: its arguments, shapes, receptive field and figures, old and new.

const EMPTY = "–";

// Returns [title, old text, new text, change] for everything about an item; a text is null if that network has no such item.
function listFacts(item, changes) {
  const both = (format) => item.sides.map((side) => (side ? format(side) : null));
  const facts = item.isScope ? [["layers", ...item.counts.map(formatExact)]] : listLayerFacts(item, changes, both);
  const figures = FIGURES.filter(([name]) => item.sides.some((side) => side && side[name] !== undefined)).map(
    ([name, title]) => [
      title,
      ...both((side) => formatExactAmount(name, side[name])),
      item.sides.includes(null) ? "" : formatExactChange(name, subtract(...item.sides.map((side) => side[name]))),
    ],
  );
  return [...facts, ...figures];
}

function listLayerFacts(item, changes, both) {
  const names = new Set(item.sides.flatMap((side) => (side ? Object.keys(side.arguments) : [])));
  const argument = (name) => (side) => (name in side.arguments ? formatArgument(side.arguments[name]) : null);
  const known = new Set([...names, "kind", "from", "input", "output"]);
  const format = (value) => (value === null ? null : formatArgument(value));
  return [
    ["name", ...both((side) => side.name)],
    ["kind", ...both((side) => side.kind)],
    ...[...names].map((name) => [name, ...both(argument(name))]),
    ...changes
      .filter(({ what }) => !known.has(what))
      .map((change) => [change.what, ...SIDES.map((side) => format(change[side]))]),
    ["reads", ...both((side) => side.from.join(", "))],
    ["input", ...both((side) => side.input_shapes.map(formatShape).join(" + "))],
    ["output", ...both((side) => formatShape(side.output_shape))],
    ["receptive field", ...both((side) => formatField(side.receptive_field))],
    ["jump", ...both((side) => formatJump(side.receptive_field))],
  ];
}

class ChangeDetails {
  constructor(comparison) {
    this.comparison = comparison;
    this.element = make("section", { class: "layer compared" });
    this.element.append(make("p", { class: "empty" }, "Select a layer in the table or in one of the graphs."));
    comparison.onSelect((item) => this.show(item));
  }

  show(item) {
    const layer = item.document;
    const facts = listFacts(item, layer ? layer.changes : []).filter(([, old, now]) => old || now);
    const isOneSided = item.sides.includes(null);
    const differing = facts.filter(([, old, now]) => isOneSided || old !== now);
    const equal = facts.filter((fact) => !differing.includes(fact));
    const change = this.comparison.changeOf(item);
    const did = layer ? layer.did.join(", ") : change ? change.name : "unchanged";
    this.element.replaceChildren(
      make("h3", {}, item.name),
      make("p", { class: change ? `did is-${change.name}` : "did" }, change ? `${change.sign} ${did}` : did),
      differing.length ? this.makeTable(differing, item) : "",
      equal.length
        ? make("details", { open: !differing.length }, make("summary", {}, `Unchanged (${equal.length})`), this.makeTable(equal, item))
        : "",
    );
  }

  // Returns a table with a column per network that has the item.
  makeTable(facts, item) {
    const shown = [0, 1].filter((side) => item.sides[side]);
    const titles = ["", ...shown.map((side) => SIDES[side]), ...(shown.length > 1 ? ["change"] : [])];
    const rows = facts.map(([title, old, now, change]) => {
      const isFigure = change !== undefined;
      const texts = [old, now].filter((text, side) => shown.includes(side));
      const cells = texts.map((text) => make("td", { class: isFigure ? "figure" : null }, text || EMPTY));
      const last = shown.length > 1 ? make("td", { class: "figure" }, change || "") : null;
      return make("tr", {}, make("th", { scope: "row" }, title), cells, last);
    });
    const head = titles.map((title) => make("th", { scope: "col" }, title));
    const parts = [make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows)];
    return make("div", { class: "scroll" }, make("table", {}, parts));
  }
}
