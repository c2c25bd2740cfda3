// The data of one network as the views see it: items (layers and scopes in the order of the tree), and what is selected.

const METRICS = {
  macs: "MACs",
  params: "params",
  flops: "FLOPs",
  activation_memory: "activations",
  weight_memory: "weights",
};

// Makes an item of each row of a tree. It stands for the layers from `start` to `stop` - 1; `complete` adds more to it.
function nestItems(rows, complete) {
  const open = [];
  let layer = 0;
  const items = rows.map((row, index) => {
    while (open.length && open.at(-1).level >= row.level) open.pop().stop = layer;
    const { level, label, what } = row;
    const isScope = row.layer === undefined && row.layers === undefined;
    const item = { index, level, label, what, isScope, parent: open.at(-1) || null, start: layer };
    complete(item, row);
    if (isScope) open.push(item);
    else {
      layer += 1;
      item.stop = layer;
    }
    return item;
  });
  for (const scope of open) scope.stop = layer;
  return items;
}

// An item has `figures`, which are named as in the report, and the index of its `output` layer. If the page is for a
// device, it has the seconds of its layers; null if they are unknown.
function makeItems(data) {
  const items = nestItems(data.rows, (item, row) => {
    item.figures = item.isScope ? row : data.report.layers[row.layer];
    item.name = item.figures.name;
    item.output = item.isScope ? row.output_layer : row.layer;
  });
  const times = data.measured?.layers;
  if (times) for (const item of items) item.seconds = sumKnown(times.slice(item.start, item.stop));
  return items;
}

function sumKnown(values) {
  return values.includes(null) ? null : values.reduce((sum, value) => sum + value, 0);
}

// Returns the worst finding of each line, or of each layer of a model file, which has no lines.
function indexFindings(findings) {
  const found = new Map();
  for (const severity of ["note", "warning", "error"])
    for (const finding of findings)
      if (finding.severity === severity) found.set(finding.line ?? finding.path.join("."), finding);
  return found;
}

class Network {
  constructor(data, number) {
    this.data = data;
    this.report = data.report;
    this.number = number;
    this.items = makeItems(data);
    this.layers = this.items.filter((item) => !item.isScope);
    this.selected = null;
    this.listeners = [];
    const totals = data.report.totals;
    this.shareOf = totals.macs === 0 ? "flops" : "macs";
    this.findings = indexFindings(data.findings);
  }

  // Returns the worst finding about an item; undefined if there is none.
  findingOf(item) {
    return this.findings.get(item.figures.line) || this.findings.get(item.name);
  }

  // Returns what happened to an item, or to the layers from `start` to `stop` - 1; in the page of a diff only.
  changeOf() {
    return null;
  }

  changeIn() {
    return null;
  }

  // Returns an item's share of the total of a metric; null if one of them is unknown.
  share(item, metric = this.shareOf) {
    const [part, whole] = [item.figures[metric], this.report.totals[metric]];
    return part === null || whole === null ? null : part / (whole || 1);
  }

  onSelect(listener) {
    this.listeners.push(listener);
  }

  // Selects an item; `source` is the view in which its reader chose it.
  select(item, source) {
    if (item === this.selected) return;
    this.selected = item;
    for (const listener of this.listeners) listener(item, source);
  }

  isSelected(start, stop) {
    return this.selected !== null && start < this.selected.stop && this.selected.start < stop;
  }

  selectRange(start, stop, source) {
    this.select(this.findItem(start, stop), source);
  }

  selectLayer(index, source) {
    this.select(this.layers[Math.max(0, Math.min(index, this.layers.length - 1))], source);
  }

  // Returns the largest item that begins with a layer and ends before another one.
  findItem(start, stop) {
    const within = this.items.filter((item) => item.start === start && item.stop <= stop);
    return within.reduce((best, item) => (item.stop > best.stop ? item : best), within.at(-1));
  }

  // Returns the names, shapes and bytes of the tensors that are live while a layer runs, the largest first.
  liveTensors(layer) {
    const { tensor_bytes: bytes, last_uses: last } = this.data.memory;
    const inputs = Object.entries(this.report.inputs);
    const found = [];
    for (let tensor = 0; tensor <= inputs.length + layer; tensor += 1) {
      if (last[tensor] < layer || last[tensor] < 0) continue;
      const produced = this.report.layers[tensor - inputs.length];
      const [name, shape] = produced ? [produced.name, produced.output_shape] : inputs[tensor];
      found.push({ name, shape, bytes: bytes[tensor], layer: tensor - inputs.length });
    }
    return found.sort((one, other) => other.bytes - one.bytes);
  }
}
