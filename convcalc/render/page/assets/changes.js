// The data of a diff as the views see it: the layers and scopes of both networks as one tree, and what is selected.

const CHANGES = {
  added: { name: "added", sign: "+" },
  removed: { name: "removed", sign: "−" },
  changed: { name: "changed", sign: "~" },
};
const SIDES = ["old", "new"];
const SUMMED = [
  "params",
  "trainable_params",
  "buffers",
  "macs",
  "flops",
  "multiplications",
  "additions",
  "weight_memory",
  "activation_memory",
];

// Returns the sums of the figures of layers; null if one of them is unknown.
function sumFigures(layers) {
  return Object.fromEntries(
    SUMMED.map((name) => [
      name,
      layers.reduce((sum, layer) => (sum === null || layer[name] === null ? null : sum + layer[name]), 0),
    ]),
  );
}

// Returns the new minus the old figure; null if one of them is unknown.
function subtract(before, after) {
  return before === null || after === null ? null : after - before;
}

// Returns the changes of figures; a network without the layer has 0 of each.
function subtractFigures(before, after) {
  const figure = (figures, name) => (figures ? figures[name] : 0);
  return Object.fromEntries(SUMMED.map((name) => [name, subtract(figure(before, name), figure(after, name))]));
}

// An item has the figures of both networks as `sides`, null if the network lacks it, and stands for the layers of the
// whole tree from `start` to `stop` - 1.
class Comparison {
  constructor(data) {
    this.data = data;
    this.items = this.makeItems(data.rows);
    this.layers = this.items.filter((item) => !item.isScope);
    this.items.forEach((item) => this.compare(item));
    this.rowOf = SIDES.map(() => []);
    for (const layer of this.layers)
      layer.places.forEach((place, side) => {
        if (place !== null) this.rowOf[side][place] = layer;
      });
    this.selected = null;
    this.chosen = SIDES.map(() => new Set());
    this.listeners = [];
    this.sides = SIDES.map((name, side) => new Side(this, side, data.networks[side]));
  }

  makeItems(rows) {
    return nestItems(rows, (item, row) => {
      item.name = row.name;
      item.change = row.change || "";
      item.places = row.layers;
      item.document = row.differs === undefined ? null : this.data.difference.layers[row.differs];
    });
  }

  // Adds to an item the figures of both networks, and by what happened to it.
  compare(item) {
    const layers = this.layersOf(item);
    const found = SIDES.map((name, side) =>
      layers.map((layer) => layer.places[side]).filter((place) => place !== null),
    );
    const reports = found.map((places, side) => places.map((place) => this.data.networks[side].report.layers[place]));
    item.ranges = found.map((places) => (places.length ? [Math.min(...places), Math.max(...places) + 1] : null));
    item.counts = found.map((places) => places.length);
    item.sides = reports.map((all) => (!all.length ? null : item.isScope ? sumFigures(all) : all[0]));
    item.difference = subtractFigures(...item.sides);
    if (!item.isScope) item.name = (item.sides[1] || item.sides[0]).name;
    item.did = this.nameChange(item, layers);
    item.figures = { kind: item.did || "unchanged" };
    item.search = `${item.what} ${item.change} ${item.document ? item.document.did.join(" ") : ""}`;
  }

  nameChange(item, layers) {
    if (!item.counts[0]) return "added";
    if (!item.counts[1]) return "removed";
    const [one] = layers;
    if (!item.isScope) return one.change ? "changed" : null;
    return layers.some((layer) => layer.change || layer.places.includes(null)) ? "changed" : null;
  }

  layersOf(item) {
    return item.isScope ? this.layers.slice(item.start, item.stop) : [item];
  }

  changeOf(item) {
    return item.did ? CHANGES[item.did] : null;
  }

  findingOf() {
    return undefined;
  }

  onSelect(listener) {
    this.listeners.push(listener);
  }

  select(item, source) {
    if (!item || item === this.selected) return;
    this.selected = item;
    this.chosen = SIDES.map((name, side) => new Set(this.layersOf(item).map((layer) => layer.places[side])));
    for (const listener of this.listeners) listener(item, source);
  }

  // Returns the largest item whose layers in one network begin with a layer and end before another one.
  findItem(side, start, stop) {
    const within = this.items.filter(
      ({ ranges }) => ranges[side] && ranges[side][0] === start && ranges[side][1] <= stop,
    );
    const largest = within.reduce(
      (best, item) => (item.ranges[side][1] > best.ranges[side][1] ? item : best),
      within.at(-1),
    );
    return largest || this.rowOf[side][start];
  }
}

// One of the two networks, as its graph sees it.
class Side {
  constructor(comparison, side, data) {
    this.comparison = comparison;
    this.side = side;
    this.data = data;
    this.report = data.report;
    this.shareOf = data.report.totals.macs === 0 ? "flops" : "macs";
  }

  onSelect(listener) {
    this.comparison.onSelect(listener);
  }

  isSelected(start, stop) {
    const chosen = this.comparison.chosen[this.side];
    for (let layer = start; layer < stop; layer += 1) if (chosen.has(layer)) return true;
    return false;
  }

  selectRange(start, stop, source) {
    this.comparison.select(this.comparison.findItem(this.side, start, stop), source);
  }

  changeIn(start, stop) {
    const found = new Set(this.comparison.rowOf[this.side].slice(start, stop).map((layer) => layer.did));
    if (found.size > 1) return CHANGES.changed;
    return CHANGES[[...found][0]] || null;
  }
}
