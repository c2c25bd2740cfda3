// The program in its worker, as the page sees it: `ask` a question, await the answer.
//
// A run that takes longer than LIMIT seconds is stopped: the worker is ended, and a new one loads from the cache of the
// browser. The program therefore cannot make the page hang.
export const LIMIT = 20;

/** Why there is no answer, in words for the reader. */
export class NoAnswer extends Error {}

export class Program {
  #worker = null;
  #waiting = new Map();
  #next = 0;
  #clock = null;
  #begun = null;
  #broken = "";
  #onState;

  /** `onState` receives {loading: 0…1}, {ready: true} or {broken: message}. */
  constructor(onState) {
    this.#onState = onState;
    this.#start();
  }

  /** The milliseconds for which the present run has lasted; 0 if there is none. Loading does not count. */
  get running() {
    return this.#begun === null ? 0 : performance.now() - this.#begun;
  }

  /** Resolves to the answer of bridge.py; rejects with NoAnswer if the run is stopped or fails. */
  ask(question, file) {
    const id = this.#next++;
    if (this.#broken) return Promise.reject(new NoAnswer(this.#broken));
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, question, file }, file ? [file] : []);
      if (this.ready) this.#watch();
    });
  }

  /** Ends the run, if there is one, and starts again. */
  stop(message) {
    this.#worker.terminate();
    this.#rejectAll(message);
    this.#start();
  }

  #start() {
    this.ready = false;
    this.#unwatch();
    // a worker made from a blob inherits the security policy of the page, which one from a file would not
    const source = `import ${JSON.stringify(new URL("worker.js", document.baseURI).href)};`;
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.#worker = new Worker(address, { type: "module", name: "convcalc" });
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => this.#break(event.message || "its files could not be loaded");
    this.#onState({ loading: 0 });
  }

  #receive(data) {
    if ("progress" in data) this.#onState({ loading: data.progress });
    if ("ready" in data) {
      this.ready = true;
      this.#onState({ ready: true });
      if (this.#waiting.size) this.#watch();
    }
    if ("broken" in data) this.#break(data.broken);
    const waiting = this.#waiting.get(data.id);
    if (!waiting) return;
    this.#waiting.delete(data.id);
    if (this.#waiting.size) this.#watch();
    else this.#unwatch();
    if ("answer" in data) waiting.resolve(data.answer);
    else this.#fail(data.failure, waiting);
  }

  #fail(failure, waiting) {
    const memory = /MemoryError|out of memory|memory access out of bounds/i.test(failure);
    // the last exception of a traceback; lines with advice may follow it
    const said = [...failure.matchAll(/^(?!PythonError)[\w.]*(?:Error|Exception)\b.*$/gm)].at(-1)?.[0] ?? failure.slice(0, 500);
    waiting.reject(new NoAnswer(memory ? "The network needs more memory than a page can have." : `Internal error: ${said}`));
    this.stop("The program was started again.");
  }

  #break(message) {
    this.#worker.terminate();
    this.#broken = `The program could not be loaded: ${message}. Reload the page to try again.`;
    this.#rejectAll(this.#broken);
    this.#onState({ broken: this.#broken });
  }

  #rejectAll(message) {
    for (const { reject } of this.#waiting.values()) reject(new NoAnswer(message));
    this.#waiting.clear();
  }

  #unwatch() {
    clearTimeout(this.#clock);
    this.#begun = null;
  }

  #watch() {
    this.#unwatch();
    this.#begun = performance.now();
    this.#clock = setTimeout(
      () => this.stop(`Stopped after ${LIMIT} seconds: this network is too large for the page. The command line has no limit.`),
      LIMIT * 1000,
    );
  }
}
