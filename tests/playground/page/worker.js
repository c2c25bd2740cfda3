// Runs convcalc in Pyodide. Receives {id, question} or {id, question, file} and posts {id, answer} or {id, failure};
// before that it posts {progress} from 0 to 1 while it loads, and then {ready: true}.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const here = (name) => new URL(name, import.meta.url).href;
const FILES = "/dropped";
const load = self.fetch.bind(self);
let loaded = 0;
let total = 0;

function count(response) {
  const counter = new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      self.postMessage({ progress: Math.min(loaded / total, 1) });
      controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(counter), { status, statusText, headers });
}

async function read(name) {
  const response = await load(here(name));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return response;
}

async function readBytes(name) {
  return new Uint8Array(await count(await read(name)).arrayBuffer());
}

async function start() {
  const contents = await (await read("contents.json")).json();
  total = contents.bytes;
  // Pyodide fetches its own parts, so that counting them needs a fetch that counts
  self.fetch = async (...given) => {
    const response = await load(...given);
    return response.ok && response.body ? count(response) : response;
  };
  const wheels = Promise.all(contents.wheels.map(readBytes));
  wheels.catch(() => {}); // an error is reported where they are awaited
  const pyodide = await loadPyodide({ indexURL: here("pyodide/") });
  self.fetch = load;
  const extractDir = pyodide.runPython("import site; site.getsitepackages()[0]"); // without it, the current folder
  for (const wheel of await wheels) pyodide.unpackArchive(wheel, "wheel", { extractDir });
  pyodide.FS.mkdirTree(FILES);
  pyodide.FS.writeFile(`${extractDir}/bridge.py`, await (await read("bridge.py")).text());
  const bridge = pyodide.pyimport("bridge");
  self.fetch = () => Promise.reject(new Error("the program needs no network"));
  return { pyodide, answer: (question) => JSON.parse(bridge.answer(JSON.stringify(question))) };
}

const started = start();
started.then(
  () => self.postMessage({ ready: true }),
  (error) => self.postMessage({ broken: error.message }),
);

self.onmessage = async ({ data: { id, question, file } }) => {
  try {
    const { pyodide, answer } = await started;
    if (file) pyodide.FS.writeFile(question.path, new Uint8Array(file));
    self.postMessage({ id, answer: answer(question) });
  } catch (error) {
    self.postMessage({ id, failure: String(error) });
  }
};
