// The results beside the editor: the headline, the tabs, and in each tab one frame that shows an answer of the program.
const SAVED = { table: "frame.html", graph: "frame.html", stack: "frame.html", memory: "frame.html", field: "frame.html", report: "report_frame.html" };
const TITLES = { table: "Table of layers", graph: "Graph", stack: "Feature maps", memory: "Memory", field: "Receptive field", report: "Report" };

export const TABS = Object.keys(SAVED);
const get = (id) => document.getElementById(id);

/** A frame in a sandbox. It has an origin of its own, so that nothing in it can reach this page. */
class Frame {
  #element;
  #content = {};

  constructor(tab) {
    this.#element = document.createElement("iframe");
    this.#element.sandbox = "allow-scripts";
    this.#element.title = TITLES[tab];
    this.#element.src = SAVED[tab];
    addEventListener("message", ({ source, data }) => {
      if (source === this.#element.contentWindow && data === "loaded") this.#send();
    });
    get("frames").append(this.#element);
  }

  show(content) {
    Object.assign(this.#content, content);
    this.#send();
  }

  set visible(visible) {
    this.#element.hidden = !visible;
  }

  remove() {
    this.#element.remove();
  }

  #send() {
    if (this.#content.html !== undefined) this.#element.contentWindow?.postMessage(this.#content, "*");
  }
}

/** `onChoose` is called when another tab or option is chosen. */
export class Results {
  tab = "table";
  #frames = new Map();
  #shown = new Map(); // what each tab shows, for the buttons that save it
  #position = "";

  constructor(onChoose) {
    for (const name of TABS) {
      get(`tab-${name}`).addEventListener("click", () => this.choose(name, onChoose));
    }
    document.querySelector(".tabs").addEventListener("keydown", (event) => this.#move(event, onChoose));
    for (const id of ["metric", "depth", "layer", "position"]) get(id).addEventListener("change", onChoose);
    get("fit").addEventListener("change", () => {
      for (const frame of this.#frames.values()) frame.show({ fit: get("fit").checked });
    });
    this.#select();
  }

  choose(name, onChoose) {
    this.tab = name;
    this.#select();
    onChoose();
  }

  /** The options of the picture in the current tab. */
  get options() {
    const { metric, depth, layer, position } = Object.fromEntries(
      ["metric", "depth", "layer", "position"].map((id) => [id, get(id).value]),
    );
    return this.tab === "field" ? { layer, position } : this.tab === "memory" ? {} : { metric, depth };
  }

  set headline(facts) {
    get("headline").replaceChildren(
      ...facts.map(([label, exact, short]) => {
        const [group, name, value] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
        name.textContent = label;
        value.textContent = short || exact;
        value.title = exact;
        group.append(name, value);
        return group;
      }),
    );
  }

  /** Offers layers for the receptive field; keeps the chosen one if it still exists. */
  setLayers(names, preferred) {
    const chosen = get("layer").dataset.chosen ?? "";
    get("layer").replaceChildren(...names.map((name) => new Option(name, name)));
    get("layer").value = names.includes(chosen) ? chosen : preferred;
  }

  /** Shows HTML or SVG in the current tab. */
  show(html) {
    this.message = "";
    if (this.#shown.get(this.tab) !== html) {
      this.#shown.set(this.tab, html);
      if (this.tab === "report") this.#frames.get("report")?.remove();
      if (this.tab === "report" || !this.#frames.has(this.tab)) this.#frames.set(this.tab, new Frame(this.tab));
      this.#frames.get(this.tab).show({ html, fit: get("fit").checked });
    }
    this.#select();
  }

  /** What the current tab shows. */
  get content() {
    return this.#shown.get(this.tab);
  }

  set message(text) {
    get("message").textContent = text;
    get("message").hidden = !text;
    get("frames").hidden = Boolean(text);
  }

  /** Whether the results belong to an older text, because the present one is invalid or not read yet. */
  set stale(stale) {
    document.querySelector(".results").classList.toggle("stale", stale);
    get("stale").hidden = !stale || this.#shown.size === 0;
    if (stale && this.#shown.size === 0) this.message = "The results appear here when the spec is valid.";
  }

  #select() {
    for (const name of TABS) {
      const button = get(`tab-${name}`);
      const chosen = name === this.tab;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      if (this.#frames.has(name)) this.#frames.get(name).visible = chosen;
    }
    get("panel").setAttribute("aria-labelledby", `tab-${this.tab}`);
    for (const option of document.querySelectorAll("[data-for]")) {
      option.hidden = !option.dataset.for.split(" ").includes(this.tab);
    }
    document.querySelector(".options").hidden = this.tab === "table";
  }

  #move(event, onChoose) {
    const names = TABS.filter((name) => !get(`tab-${name}`).hidden);
    const place = names.indexOf(this.tab);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: names.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const name = names.at(next % names.length);
    get(`tab-${name}`).focus();
    this.choose(name, onChoose);
  }
}
