// The columns of the table of layers, named and titled as those of the command line.

function countColumn(name, title, width = 10) {
  return {
    name,
    title,
    width,
    value: (item) => item.figures[name],
    text: (item) => (item.figures[name] === 0 ? "·" : formatAmount(name, item.figures[name])),
    exact: (item) => formatExactAmount(name, item.figures[name]),
  };
}

// `width` is the largest width of the column in characters: shorter texts make it narrower.
function textColumn(name, title, width, value, right = false) {
  return { name, title, width, value, text: value, left: !right };
}

// The first column, which is always shown.
const NAME = { name: "name", title: "layer", left: true, value: (item) => item.name };

const COLUMNS = [
  textColumn("kind", "kind", 14, (item) => item.figures.kind),
  textColumn("what", "what", 16, (item) => item.what),
  textColumn("line", "line", 6, (item) => item.figures.line ?? "", true),
  textColumn("from", "from", 24, (item) => (item.figures.from || []).join(" ")),
  textColumn("input_shape", "input", 18, (item) => item.figures.input_shapes.map(formatShape).join(" + ")),
  textColumn("output_shape", "output", 18, (item) => formatShape(item.figures.output_shape), true),
  countColumn("params", "params", 8),
  countColumn("trainable_params", "trainable", 11),
  countColumn("buffers", "buffers"),
  countColumn("multiplications", "multiplications", 16),
  countColumn("additions", "additions"),
  countColumn("macs", "MACs", 8),
  countColumn("flops", "FLOPs"),
  {
    ...textColumn("receptive_field", "field", 7, (item) => formatField(item.figures.receptive_field), true),
    value: (item) => sizeOfField(item.figures.receptive_field),
  },
  textColumn("jump", "jump", 7, (item) => formatJump(item.figures.receptive_field), true),
  countColumn("input_memory", "inputs", 11),
  countColumn("weight_memory", "weights", 11),
  countColumn("activation_memory", "activations", 13),
  countColumn("live_memory", "live", 11),
  { name: "share", title: "share", width: 13, left: true, bar: true },
];

// All columns, those that are shown at first, and those that are in a narrow window.
const LAYER_COLUMNS = {
  all: COLUMNS,
  shown: ["what", "output_shape", "params", "macs", "share", "receptive_field"],
  narrow: ["output_shape", "macs", "share"],
};

const LATENCY = {
  name: "latency",
  title: "latency",
  width: 10,
  value: (item) => item.seconds,
  text: (item) => (item.seconds === 0 ? "·" : formatDuration(item.seconds)),
};

// Returns the columns of a network. If the page is for a device, the latency replaces the params at first.
function chooseColumns(network) {
  if (!network.data.measured?.layers) return LAYER_COLUMNS;
  const place = COLUMNS.findIndex((column) => column.name === "macs") + 1;
  const shown = LAYER_COLUMNS.shown.map((name) => (name === "params" ? "latency" : name));
  return { ...LAYER_COLUMNS, all: [...COLUMNS.slice(0, place), LATENCY, ...COLUMNS.slice(place)], shown };
}

function sizeOfField(field) {
  return field.global ? Infinity : field.size === null ? null : Math.max(0, ...field.size);
}

// Returns the width of a column in characters.
function measureColumn(column, items) {
  if (!column.text || column.exact) return column.width;
  const longest = items.reduce((most, item) => Math.max(most, String(column.text(item)).length), column.title.length);
  return Math.min(longest + 1, column.width);
}

// Unknown values come first in descending order, as in the tables of the command line.
function compareValues(one, other) {
  if (one === other) return 0;
  if (one === null) return 1;
  if (other === null) return -1;
  return one > other ? 1 : -1;
}
