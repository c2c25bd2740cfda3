// The columns of the table of changes.

function formatChange(metric, value) {
  if (value === 0) return "";
  return value > 0 ? `+${formatAmount(metric, value)}` : formatAmount(metric, value);
}

function formatExactChange(metric, value) {
  if (value === 0) return "";
  return value > 0 ? `+${formatExactAmount(metric, value)}` : formatExactAmount(metric, value);
}

// Returns a text for both networks, such as `64 → 128`; one of them is empty if that network has no such layer.
function formatBoth(item, format) {
  if (item.isScope) return "";
  const texts = item.sides.filter(Boolean).map((figures) => String(format(figures)));
  return [...new Set(texts)].join(" → ");
}

function bothColumn(name, title, width, format) {
  return textColumn(name, title, width, (item) => formatBoth(item, format), true);
}

function differenceColumn(name, title, width = 10) {
  return {
    name,
    title,
    width,
    value: (item) => item.difference[name],
    text: (item) => formatChange(name, item.difference[name]),
    exact: (item) => {
      const [before, after] = item.sides.map((side) => formatExactAmount(name, side ? side[name] : 0));
      return before === after ? before : `${before} → ${after}`;
    },
  };
}

const DIFFERENCE_COLUMNS = [
  textColumn("change", "what", 30, (item) => item.change || item.what),
  differenceColumn("params", "params", 8),
  differenceColumn("macs", "MACs", 8),
  bothColumn("output_shape", "output", 20, (figures) => formatShape(figures.output_shape)),
  bothColumn("receptive_field", "field", 9, (figures) => formatField(figures.receptive_field)),
  textColumn("kind", "kind", 20, (item) => item.what),
  bothColumn("line", "line", 9, (figures) => figures.line ?? ""),
  differenceColumn("flops", "FLOPs"),
  differenceColumn("trainable_params", "trainable", 11),
  differenceColumn("buffers", "buffers"),
  differenceColumn("weight_memory", "weights", 11),
  differenceColumn("activation_memory", "activations", 13),
];

const CHANGE_COLUMNS = {
  all: DIFFERENCE_COLUMNS,
  shown: ["change", "params", "macs", "output_shape", "receptive_field"],
  narrow: ["change", "macs"],
};
