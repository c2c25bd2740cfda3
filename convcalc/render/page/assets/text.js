// Formats values as text, in the same way as the tables of the command line.

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

// Rounds to a number of digits, and a tie to the even digit, as Python does; toFixed rounds it up.
function round(value, digits) {
  const text = value.toFixed(digits);
  const isTie = Number.isInteger(value * 2 ** (digits + 1)) && value.toFixed(digits + 1).endsWith("5");
  return isTie && "13579".includes(text.at(-1)) ? (value - 10 ** -digits / 2).toFixed(digits) : text;
}

// Control and bidirectional characters become visible escapes, so that a name cannot change how the text around it reads.
function printable(text) {
  return String(text).replace(/[\p{C}\p{Z}]/gu, (character) => {
    if (character === " ") return character;
    const number = character.codePointAt(0).toString(16);
    return number.length > 4
      ? `\\U${number.padStart(8, "0")}`
      : number.length > 2
        ? `\\u${number.padStart(4, "0")}`
        : `\\x${number.padStart(2, "0")}`;
  });
}

function formatScaled(value, base, suffixes) {
  let scaled = value;
  let step = 0;
  while (Math.abs(scaled) >= 999.95 && step < suffixes.length - 1) {
    scaled /= base;
    step += 1;
  }
  const suffix = suffixes[step] && ` ${suffixes[step]}`;
  if (step === 0) return WHOLE.format(value) + suffix;
  return round(scaled, Math.abs(scaled) < 99.995 ? 2 : 1) + suffix;
}

function formatCount(value) {
  return value === null ? "?" : formatScaled(value, 1000, ["", "K", "M", "G", "T", "P"]);
}

function formatBytes(value) {
  return value === null ? "?" : formatScaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
}

function formatDuration(seconds) {
  if (seconds === null) return "?";
  const units = Object.entries({ s: 1, ms: 1e-3, µs: 1e-6, ns: 1e-9 });
  const [unit, scale] = units.find(([, size]) => seconds >= 0.9995 * size) || units.at(-1);
  const value = seconds / scale;
  return `${value === 0 ? "0" : round(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${unit}`;
}

// A number above 2^53 is not exact in JavaScript, so it is not shown with all digits.
function formatExact(value) {
  if (value === null) return "?";
  return Number.isSafeInteger(value) ? WHOLE.format(value) : `about ${formatCount(value)}`;
}

function formatAmount(metric, value) {
  return metric.endsWith("memory") ? formatBytes(value) : formatCount(value);
}

function formatExactAmount(metric, value) {
  return formatExact(value) + (metric.endsWith("memory") && value !== null ? " B" : "");
}

function formatPercent(share) {
  return `${round(100 * share, 1)}%`;
}

function formatShape(sizes) {
  return sizes.join("×");
}

function formatPerAxis(values) {
  return new Set(values).size === 1 ? String(values[0]) : values.join("×");
}

// Returns the size of a receptive field: 427, 43×11, 188–204, all, or ?; a final ! marks misaligned branches.
function formatField(field) {
  if (field.global) return "all";
  if (field.size === null) return "?";
  const size = formatPerAxis(field.size);
  const text = field.size_min ? `${formatPerAxis(field.size_min)}–${size}` : size;
  return field.aligned ? text : `${text} !`;
}

function formatJump(field) {
  return field.jump ? formatPerAxis(field.jump) : "";
}

function formatArgument(value) {
  if (Array.isArray(value)) return value.map(formatArgument).join(", ");
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}
