// The playground: connects the editor, the program in its worker, and the results.
import { Editor, severity } from "./editor.js";
import { NoAnswer, Program } from "./program.js";
import { Results } from "./results.js";
import { readFragment, writeFragment, WrongLink } from "./sharing.js";

const DELAY = 250; // milliseconds without a key before the spec is read
const PATIENCE = 4000; // milliseconds after which a run is stopped for a newer text; a restart takes about as long
const MOST_SPEC = 4 << 20; // bytes, as convcalc accepts
const MOST_FILE = 256 << 20; // bytes of a model file
const get = (id) => document.getElementById(id);

const facts = await (await fetch("facts.json")).json();
const editor = new Editor(get("editor"), { onEdit: edited, schema: () => facts.schema });
const results = new Results(refresh);
const program = new Program(showState);
let analysed = null; // the spec whose results are shown
let valid = false; // whether that spec is valid
let asked = null; // the spec that was sent last
let table = ""; // the table of the analysed spec, as HTML
let name = "net"; // file name of the spec, without its ending
let again = false;
let working = false;
let timer = null;
let watch = null;
let dropped = null; // the file whose input shape is asked for

get("example").append(...Object.keys(facts.examples).map((one) => new Option(one, one)));
get("metric").append(...facts.metrics.map((one) => new Option(one.replaceAll("_", " "), one)));
get("tab-report").hidden = !facts.report;
get("file").accept = [".yaml", ".yml", ".json", ...facts.imported, ...facts.elsewhere].join(",");
await openFragment();

/** Reads the text in the editor and shows the current tab, unless both are up to date. */
async function refresh() {
  again = true;
  if (working) {
    if (editor.text !== asked && program.running > PATIENCE) program.stop("Started again for the newer text.");
    return;
  }
  working = true;
  while (again) {
    again = false;
    try {
      await refreshOnce();
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      if (!again) showFailure(error.message);
    }
  }
  working = false;
}

async function refreshOnce() {
  const { text } = editor;
  if (text !== analysed) {
    setBusy(true);
    try {
      asked = text;
      const answer = await program.ask({ ask: "update", text, name });
      if (text !== editor.text) return;
      showAnswer(text, answer);
    } finally {
      setBusy(false);
    }
  }
  if (valid) await showTab(text);
}

function showAnswer(text, answer) {
  analysed = text;
  valid = "table" in answer;
  showProblems(answer.problems, answer.problems_left_out);
  results.stale = !valid;
  if (!valid) return;
  Object.assign(results, { headline: answer.headline, message: "" });
  results.setLayers(answer.layers, answer.layer);
  table = answer.table;
}

async function showTab(text) {
  const { tab, options } = results;
  if (tab === "table") return results.show(table);
  const question = tab === "report" ? { ask: "report", text, name } : { ask: "picture", kind: tab, text, name, ...options };
  setBusy(true);
  try {
    const answer = await program.ask(question);
    if (tab !== results.tab || text !== editor.text) return;
    if (answer.error) results.message = answer.error;
    else results.show(answer.svg ?? answer.html);
  } finally {
    setBusy(false);
  }
}

function showProblems(problems, leftOut) {
  editor.mark(problems);
  const errors = problems.filter((one) => one.severity === "error").length;
  const counts = [[errors, "error"], [problems.length - errors, "finding"], [leftOut, "more"]].filter(([count]) => count);
  const words = counts.map(([count, word]) => `${count.toLocaleString("en")} ${word}${count > 1 && word !== "more" ? "s" : ""}`);
  get("problems-title").textContent = words.join(", ") || "No problems";
  get("problems").replaceChildren(...problems.map(makeProblem));
}

function makeProblem(problem) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const [place, message, hint] = ["span", "span", "span"].map((tag) => document.createElement(tag));
  item.className = severity(problem);
  button.type = "button";
  place.className = "place";
  place.textContent = problem.line ? `${problem.line}:${problem.column}` : "";
  message.textContent = `${problem.message} `;
  hint.className = "hint";
  hint.textContent = [problem.hint, problem.code].filter(Boolean).join(" · ");
  button.append(place, message, hint);
  button.addEventListener("click", () => editor.goTo(problem));
  item.append(button);
  return item;
}

function showFailure(message) {
  analysed = editor.text;
  valid = false;
  editor.mark([]);
  get("problems-title").textContent = "Not read";
  get("problems").replaceChildren();
  results.stale = true;
  showNotice(message);
}

function showState(state) {
  const loading = "loading" in state;
  get("progress").hidden = !loading;
  if (loading && state.loading < 1) get("progress").value = state.loading;
  else get("progress").removeAttribute("value");
  get("status-text").textContent = describeState(state);
  if (state.broken) showNotice(state.broken);
}

function describeState({ loading, ready }) {
  if (ready) return `convcalc ${facts.version}`;
  if (loading === undefined) return "The program could not be loaded.";
  return loading < 1 ? `Loading Python and convcalc: ${Math.floor(100 * loading)}%` : "Starting Python and convcalc…";
}

/** Says that the program computes, and after a second offers to stop it. */
function setBusy(busy) {
  clearInterval(watch);
  get("status").classList.toggle("busy", busy && program.ready);
  get("stop").hidden = true;
  if (!busy) return;
  watch = setInterval(() => {
    get("status").classList.toggle("busy", program.ready);
    get("stop").hidden = program.running < 1000;
  }, 250);
}

function edited(byUser) {
  if (byUser && location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (byUser) get("example").value = "";
  clearTimeout(timer);
  timer = setTimeout(refresh, DELAY);
}

function setText(text, newName = "net") {
  name = newName;
  analysed = null; // the name is part of the results
  editor.text = text;
  clearTimeout(timer);
  refresh();
}

async function openFragment() {
  let found = null;
  try {
    found = await readFragment(location.hash);
    if (found?.example !== undefined && !Object.hasOwn(facts.examples, found.example)) {
      throw new WrongLink(`There is no example “${found.example.slice(0, 60)}”.`);
    }
  } catch (error) {
    if (!(error instanceof WrongLink)) throw error;
    found = null;
    showNotice(error.message);
  }
  if (found?.example) openExample(found.example);
  else if (found || !editor.text) setText(found ? found.text : facts.start);
}

function openExample(example) {
  setText(facts.examples[example], example);
  get("example").value = example;
}

async function openFile(file, shape = "") {
  hideNotice();
  if (file.size > MOST_FILE) return showNotice(`${file.name} has ${(file.size / 2 ** 20).toFixed(0)} MiB, and the limit is 256 MiB.`);
  try {
    setBusy(true);
    // the name decides about the format if the content does not; a folder in it would be one of the worker's
    const path = `/dropped/${file.name.replace(/[/\\\0]/g, "_").slice(-100)}`;
    const answer = await program.ask({ ask: "convert", path, shape }, await file.arrayBuffer());
    if (answer.error) askForShape(answer, file);
    else if (answer.text.length > MOST_SPEC) showNotice(`${file.name} is larger than 4 MiB, the limit of a spec.`);
    else {
      setText(answer.text, file.name.replace(/\.\w+$/, "") || "net");
      forgetSource();
      if (answer.said) showNotice(answer.said);
    }
  } catch (error) {
    showNotice(error instanceof NoAnswer ? error.message : `${file.name} cannot be read: ${error.message}`);
  } finally {
    setBusy(false);
  }
}

function askForShape({ error, shape }, file) {
  showNotice(error);
  dropped = file;
  get("shape-form").hidden = !shape;
  if (shape) get("shape").focus();
}

function forgetSource() {
  get("example").value = "";
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
}

function showNotice(text) {
  get("notice-text").textContent = text;
  get("shape-form").hidden = true;
  get("notice").hidden = false;
}

function hideNotice() {
  get("notice").hidden = true;
}

function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function share() {
  try {
    const { text } = editor;
    const example = Object.keys(facts.examples).find((one) => facts.examples[one] === text);
    history.replaceState(null, "", example ? `#example=${example}` : await writeFragment(text));
  } catch (error) {
    if (!(error instanceof WrongLink)) throw error;
    return showNotice(error.message);
  }
  try {
    await navigator.clipboard.writeText(location.href);
    showNotice("The link to this spec is copied. The spec is in the link itself; no server keeps it.");
  } catch {
    showNotice("The link to this spec is in the address bar. The spec is in the link itself; no server keeps it.");
  }
}

get("example").addEventListener("change", () => {
  if (!get("example").value) return;
  const example = get("example").value;
  forgetSource();
  openExample(example);
});
get("open").addEventListener("click", () => get("file").click());
get("file").addEventListener("change", () => {
  if (get("file").files[0]) openFile(get("file").files[0]);
  get("file").value = "";
});
get("shape-form").addEventListener("submit", (event) => {
  event.preventDefault();
  openFile(dropped, get("shape").value.trim());
});
get("layer").addEventListener("change", () => (get("layer").dataset.chosen = get("layer").value));
get("save").addEventListener("click", () => save(editor.text, `${name}.yaml`, "application/yaml"));
get("share").addEventListener("click", share);
get("save-picture").addEventListener("click", () => results.content && save(results.content, `${name}-${results.tab}.svg`, "image/svg+xml"));
get("save-report").addEventListener("click", () => results.content && save(results.content, `${name}.html`, "text/html"));
get("stop").addEventListener("click", () => program.stop("Stopped."));
get("notice-close").addEventListener("click", hideNotice);
addEventListener("hashchange", openFragment);
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.remove("dropping");
  const { files } = event.dataTransfer;
  if (files.length === 1) openFile(files[0]);
  else showNotice("Drop one file at a time.");
});
