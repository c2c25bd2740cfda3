// Starts the page of a diff: the table of changes, the selected layer, and both graphs, all linked.

const STATES = [
  ["added", "+ added"],
  ["removed", "− removed"],
  ["changed", "~ changed"],
  ["unchanged", "unchanged"],
];

// The buttons that choose which layers are listed. Unchanged layers are listed at first only if no layer differs.
class StateFilter {
  constructor(comparison, onChange) {
    this.comparison = comparison;
    this.onChange = onChange;
    const counts = Object.fromEntries(STATES.map(([name]) => [name, 0]));
    for (const layer of comparison.layers) counts[this.stateOf(layer)] += 1;
    const isEqual = counts.unchanged === comparison.layers.length;
    this.shown = new Set(STATES.map(([name]) => name).filter((name) => isEqual || name !== "unchanged"));
    this.element = make(
      "div",
      { class: "tools states", role: "group", "aria-label": "Layers to list" },
      STATES.map(([name, title]) => this.makeButton(name, `${title} ${WHOLE.format(counts[name])}`)),
    );
    this.countShown();
  }

  makeButton(name, title) {
    const button = make(
      "button",
      {
        type: "button",
        class: `is-${name}`,
        "aria-pressed": String(this.shown.has(name)),
        onclick: () => {
          if (!this.shown.delete(name)) this.shown.add(name);
          button.setAttribute("aria-pressed", String(this.shown.has(name)));
          this.countShown();
          this.onChange();
        },
      },
      title,
    );
    return button;
  }

  stateOf(layer) {
    return layer.did || "unchanged";
  }

  // Counts the shown layers before each one, so that a scope is known to have some in one step.
  countShown() {
    this.before = [0];
    for (const layer of this.comparison.layers)
      this.before.push(this.before.at(-1) + (this.shown.has(this.stateOf(layer)) ? 1 : 0));
  }

  isShown(item) {
    return this.before[item.stop] > this.before[item.start];
  }
}

// Marks the lines of the selected layer in both specs, and scrolls only the specs to them.
function markLines(item) {
  for (const marked of document.querySelectorAll(".lines .selected")) marked.classList.remove("selected");
  if (item.isScope) return;
  const found = item.sides.flatMap((side, index) => {
    const line = side && document.querySelector(`.lines [data-${SIDES[index]}="${side.line}"]`);
    return line ? [line] : [];
  });
  for (const line of found) {
    line.classList.add("selected");
    const folded = line.closest("details");
    if (folded) folded.open = true;
  }
  const [last] = found.slice(-1);
  if (!last) return;
  const lines = last.closest(".lines");
  lines.scrollTop += last.getBoundingClientRect().top - lines.getBoundingClientRect().top - lines.clientHeight / 2;
}

// Returns the depths to which both graphs are folded: the same if possible, and deep enough for both.
function chooseDepths(sides) {
  const rank = (graph) => graph.depth ?? Infinity;
  const chosen = sides.map(({ data }) => data.graphs.find((graph) => graph.chosen)).filter(Boolean);
  const deepest = Math.max(...chosen.map(rank));
  return sides.map(({ data }) => {
    const found = data.graphs.filter((graph) => rank(graph) <= deepest).at(-1);
    return found && found.depth;
  });
}

function makeGraph(side, index, depth) {
  const graph = new Graph(side, "Figure", `the ${SIDES[index]} network`, depth);
  return make("div", { class: "pane" }, make("h2", {}, `${SIDES[index]}: ${side.data.label}`), graph.element);
}

function makeLegend() {
  const makeMark = ({ name, sign }) => make("span", { class: `is-${name}` }, `${sign} ${name}`);
  const unchanged = make("span", {}, "no sign: unchanged");
  return make("p", { class: "note legend" }, Object.values(CHANGES).map(makeMark), unchanged);
}

function start() {
  const comparison = new Comparison(JSON.parse(document.getElementById("data").textContent));
  const host = document.querySelector(".changes");
  const filter = new StateFilter(comparison, () => table.showOnly((item) => filter.isShown(item)));
  const table = new LayerTable(comparison, host, CHANGE_COLUMNS, (item) => filter.isShown(item));
  const depths = chooseDepths(comparison.sides);
  const graphs = comparison.sides.map((side, index) => makeGraph(side, index, depths[index]));
  table.element.prepend(filter.element);
  host.replaceChildren(
    make(
      "div",
      { class: "work" },
      make("div", { class: "pane" }, make("h2", {}, "Changes"), table.element),
      make("div", { class: "pane" }, make("h2", {}, "Layer"), new ChangeDetails(comparison).element),
    ),
    make("div", { class: "work halves" }, graphs),
    makeLegend(),
  );
  comparison.onSelect(markLines);
  document.querySelector("footer").append(makeThemeButton());
}

start();
