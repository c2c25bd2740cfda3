// Completes a spec from its JSON Schema: `complete(before, schema)` takes the text before the cursor.
//
// The place of the cursor is found by indentation and open brackets, because a spec is incomplete while it is typed. The
// schema is walked along the keys that lead there.

const MOST_LINES = 5000; // how far above the cursor a key is searched
const KEY = /^((?:"[^"]*"|'[^']*'|[^\s#"'{}[\],:][^#{}[\],:]*?))\s*:(?=\s|$)/;

/** Returns {from, options: [{label, detail, info, apply}]} where `from` is the start of the word, or null. */
export function complete(before, schema) {
  const place = findPlace(before);
  if (!place) return null;
  const nodes = place.path.reduce(
    (found, key) => found.flatMap((node) => step(node, key, schema)),
    alternatives(schema, schema),
  );
  const used = new Set(place.used);
  const options = new Map();
  for (const node of nodes) {
    for (const option of place.kind === "value" ? values(node) : keys(node, place, schema)) {
      if (!used.has(option.label) && !options.has(option.label)) options.set(option.label, option);
    }
  }
  if (place.kind !== "value" && isEntry(nodes)) for (const name of blocks(before)) options.set(name, blockOption(name));
  return options.size ? { from: before.length - place.word.length, options: [...options.values()] } : null;
}

/**
 * Returns {path, kind, word, used} of the end of the text. `path` has a key for each mapping and null for each list on
 * the way; `kind` is item, key or value; `used` are the keys that the mapping already has.
 */
export function findPlace(before) {
  const lines = before.split("\n").slice(-MOST_LINES);
  const last = lines.at(-1);
  if (insideCommentOrQuote(last)) return null;
  const flow = openBrackets(lines);
  return flow.length ? flowPlace(lines, flow) : blockPlace(lines);
}

function insideCommentOrQuote(line) {
  let quote = "";
  for (let index = 0; index < line.length; index++) {
    const letter = line[index];
    if (quote) quote = letter === quote ? "" : quote;
    else if ((letter === '"' || letter === "'") && /[\s[{,:]/.test(line[index - 1] ?? " ")) quote = letter;
    else if (letter === "#" && /\s/.test(line[index - 1] ?? " ")) return true;
  }
  return quote !== "";
}

/** The places [line, column] of the brackets that are still open at the end; `$(…)` does not count. */
function openBrackets(lines) {
  const open = [];
  lines.forEach((line, row) => {
    if (row && /^[^\s#-]/.test(line)) open.length = 0; // a new top-level key: an older bracket is a mistake
    let quote = "";
    for (let column = 0; column < line.length; column++) {
      const letter = line[column];
      const previous = line[column - 1] ?? " ";
      if (quote) quote = letter === quote ? "" : quote;
      else if ((letter === '"' || letter === "'") && /[\s[{,:]/.test(previous)) quote = letter;
      else if (letter === "#" && /\s/.test(previous)) break;
      else if (letter === "{" || letter === "[") open.push([row, column]);
      else if (letter === "}" || letter === "]") open.pop();
    }
  });
  return open;
}

function flowPlace(lines, open) {
  const [row, column] = open[0];
  const start = blockPlace([...lines.slice(0, row), lines[row].slice(0, column)]);
  if (!start) return null;
  const inside = [lines[row].slice(column), ...lines.slice(row + 1)].join("\n");
  const levels = []; // of each open bracket: its letter, the key before it, and the texts between its commas
  let piece = "";
  for (const letter of inside) {
    if (letter === "{" || letter === "[") {
      const key = KEY.exec(piece.trim())?.[1];
      levels.push({ letter, key, pieces: [] });
      piece = "";
    } else if (letter === "}" || letter === "]") {
      levels.pop();
      piece = "";
    } else if (letter === "," && levels.length) {
      levels.at(-1).pieces.push(piece.trim());
      piece = "";
    } else piece += letter;
  }
  const path = [...start.path];
  levels.forEach((level, depth) => {
    if (depth && level.key !== undefined) path.push(unquote(level.key));
    if (level.letter === "[") path.push(null);
  });
  const level = levels.at(-1);
  const text = piece.trimStart();
  const key = KEY.exec(text);
  if (level.letter === "{" && key) return { path: [...path, unquote(key[1])], kind: "value", word: text.slice(key[0].length).trimStart(), used: [] };
  const used = level.pieces.map((one) => unquote(KEY.exec(one)?.[1] ?? one));
  if (level.letter === "{") return { path, kind: "key", word: text, used };
  return { path, kind: "item", word: text, used: [], flow: true };
}

/** The tokens of a line: {column, key} of each `- ` (key null) and of `key:`, and the text that remains. */
function tokens(line) {
  const found = [];
  let column = line.length - line.trimStart().length;
  let text = line.slice(column);
  for (let dash = /^-(\s+|$)/.exec(text); dash; dash = /^-(\s+|$)/.exec(text)) {
    found.push({ column, key: null });
    column += dash[0].length;
    text = text.slice(dash[0].length);
  }
  const key = KEY.exec(text);
  if (key) {
    found.push({ column, key: unquote(key[1]) });
    text = text.slice(key[0].length).trimStart();
  }
  return { found, text, column };
}

function blockPlace(lines) {
  const last = tokens(lines.at(-1));
  const key = last.found.at(-1);
  const kind = key && key.key !== null ? "value" : key ? "item" : "key";
  if (kind === "value" && !/:\s/.test(lines.at(-1))) return null; // right behind the colon
  const path = last.found.map((token) => token.key);
  let column = last.found[0]?.column ?? last.column;
  let isItem = last.found.length > 0 && last.found[0].key === null;
  const used = [];
  for (let row = lines.length - 2; row >= 0 && (column > 0 || isItem); row--) {
    const line = lines[row];
    if (!line.trim() || line.trimStart().startsWith("#")) continue;
    for (const token of tokens(line).found.reverse()) {
      if (kind === "key" && path.length === 0 && token.column === column && token.key !== null) used.push(token.key);
      // a list may be as far to the left as its key
      if (token.column < column || (token.column === column && isItem && token.key !== null)) {
        path.unshift(token.key);
        column = token.column;
        isItem = token.key === null;
      }
    }
  }
  return { path, kind, word: last.text, used };
}

function unquote(text) {
  return text.trim().replace(/^(["'])(.*)\1$/, "$2");
}

/** The schemas that a schema stands for, without references and choices. */
function alternatives(node, schema) {
  if (!node || typeof node !== "object") return [];
  if (node.$ref) return alternatives(schema.definitions[node.$ref.split("/").at(-1)], schema);
  const inner = [...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap((one) => alternatives(one, schema));
  return [node, ...inner];
}

function step(node, key, schema) {
  if (key === null) return node.items ? alternatives(node.items, schema) : [];
  const own = node.properties && Object.hasOwn(node.properties, key) ? node.properties[key] : node.additionalProperties;
  return alternatives(own, schema);
}

function isEntry(nodes) {
  return nodes.some((node) => node.properties?.conv && node.properties?.relu);
}

function keys(node, place, schema) {
  const words = place.kind === "item" ? values(node) : [];
  if (place.flow) return words;
  const mappings = Object.entries(node.properties ?? {}).map(([label, inner]) => {
    const { description, type } = alternatives(inner, schema).find((one) => one.description) ?? inner ?? {};
    return { label, apply: `${label}: `, type: "property", info: description, detail: type === "object" ? "" : undefined };
  });
  return [...words, ...mappings];
}

function values(node) {
  const all = [...(node.enum ?? []), ...("const" in node ? [node.const] : []), ...(node.type === "boolean" ? [true, false] : [])];
  return all.map((value) => ({ label: String(value), type: "constant", info: "const" in node ? node.description : undefined }));
}

function blocks(before) {
  const section = /^blocks:[ \t]*(?:#.*)?\n((?:[ \t]+.*\n|[ \t]*\n|#.*\n)*)/m.exec(`${before}\n`)?.[1] ?? "";
  const margin = /^[ \t]+(?=[^\s#])/m.exec(section)?.[0];
  const name = new RegExp(`^${margin}([A-Za-z]\\w*):`, "gm");
  return margin === undefined ? [] : [...section.matchAll(name)].map((match) => match[1]);
}

function blockOption(name) {
  return { label: name, apply: `${name}: `, type: "class", info: "A block of this spec." };
}
