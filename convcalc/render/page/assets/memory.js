// The memory timeline: the bytes that are live while each layer runs, and the tensors that are live at the chosen layer.

const PLOT = { height: 220, left: 64, top: 12, bottom: 36, right: 8 };
const MOST_TENSORS = 12;

// Returns round numbers of bytes from 0 to `high`, at steps of a power of two.
function chooseBinaryTicks(high, most) {
  const step = high > most ? 2 ** Math.ceil(Math.log2(high / most)) : 1;
  return Array.from({ length: Math.floor(high / step) + 1 }, (_, index) => index * step);
}

class Memory {
  constructor(network) {
    this.network = network;
    this.live = network.report.layers.map((layer) => layer.live_memory);
    this.peak = network.data.memory.peak_at;
    this.top = Math.max(1, this.live[this.peak]);
    this.plot = draw("svg", {
      class: "plot",
      role: "slider",
      tabindex: 0,
      "aria-label": "Layer, in order of execution",
      "aria-valuemin": 1,
      "aria-valuemax": this.live.length,
      onkeydown: (event) => this.pressKey(event),
      onclick: (event) => this.network.selectLayer(this.findLayer(event), this),
    });
    this.caption = make("p", { class: "caption", role: "status" });
    this.list = make("ol", { class: "tensors" });
    const toPeak = make(
      "button",
      { type: "button", onclick: () => network.selectLayer(this.peak, this) },
      "Go to the peak",
    );
    this.element = make(
      "section",
      { class: "memory" },
      make("div", { class: "tools" }, toPeak),
      this.plot,
      this.caption,
      this.list,
    );
    network.onSelect(() => this.showSelected());
    onWidth(this.plot, (width) => this.drawPlot(width));
    this.showSelected();
  }

  // Layers that the selected item stands for; without a selection, the layer at the peak.
  get range() {
    const item = this.network.selected;
    return item ? [item.start, item.stop] : [this.peak, this.peak + 1];
  }

  // The layer with the most live memory among those of the selected item.
  get layer() {
    const [start, stop] = this.range;
    let best = start;
    for (let index = start; index < stop; index += 1) if (this.live[index] > this.live[best]) best = index;
    return best;
  }

  place(layer) {
    return PLOT.left + (layer / this.live.length) * (this.width - PLOT.left - PLOT.right);
  }

  level(bytes) {
    return PLOT.top + (1 - bytes / this.top) * (PLOT.height - PLOT.top - PLOT.bottom);
  }

  drawPlot(width) {
    this.width = width;
    this.plot.setAttribute("viewBox", `0 0 ${width} ${PLOT.height}`);
    this.plot.setAttribute("height", PLOT.height);
    this.mark = draw("rect", { class: "chosen", y: PLOT.top, height: PLOT.height - PLOT.top - PLOT.bottom });
    this.plot.replaceChildren(
      ...this.drawAxes(),
      draw("path", { class: "area", d: this.traceSteps() }),
      this.mark,
      this.drawPeak(),
    );
    this.showSelected();
  }

  drawAxes() {
    const right = this.width - PLOT.right;
    const rows = chooseBinaryTicks(this.top, 5).flatMap((bytes) => [
      draw("line", { class: "gridline", x1: PLOT.left, x2: right, y1: this.level(bytes), y2: this.level(bytes) }),
      draw("text", { class: "end", x: PLOT.left - 6, y: this.level(bytes) + 4 }, formatBytes(bytes)),
    ]);
    const base = PLOT.height - PLOT.bottom;
    const ends = [1, this.live.length].map((number, at) =>
      draw("text", { class: at ? "end" : "start", x: at ? right : PLOT.left, y: base + 16 }, formatExact(number)),
    );
    const title = draw(
      "text",
      { class: "middle", x: (PLOT.left + right) / 2, y: base + 28 },
      "layer, in order of execution",
    );
    return [...rows, ...ends, title];
  }

  // Returns the outline of the steps. If there are more layers than pixels, each step has the largest value of several.
  traceSteps() {
    const steps = Math.min(this.live.length, Math.max(1, Math.floor(this.width - PLOT.left - PLOT.right)));
    const parts = [`M${PLOT.left} ${this.level(0)}`];
    for (let step = 0; step < steps; step += 1) {
      const [first, stop] = [step, step + 1].map((number) => Math.floor((number * this.live.length) / steps));
      let most = 0;
      for (let index = first; index < stop; index += 1) most = Math.max(most, this.live[index]);
      parts.push(`V${this.level(most).toFixed(1)}H${this.place(stop).toFixed(1)}`);
    }
    return `${parts.join("")}V${this.level(0)}Z`;
  }

  drawPeak() {
    const [x, y] = [this.place(this.peak + 0.5), PLOT.height - PLOT.bottom + 2];
    return draw(
      "polygon",
      { class: "peak", points: `${x},${y} ${x - 4},${y + 7} ${x + 4},${y + 7}` },
      draw("title", {}, "peak"),
    );
  }

  showSelected() {
    const { layer } = this;
    const name = this.network.report.layers[layer].name;
    const text = `${formatBytes(this.live[layer])} live while ${name} runs`;
    this.plot.setAttribute("aria-valuenow", layer + 1);
    this.plot.setAttribute("aria-valuetext", printable(text));
    this.caption.replaceChildren(
      printable(text),
      this.live[layer] === this.top
        ? make("strong", {}, " · the peak")
        : make("span", {}, ` · ${formatPercent(this.live[layer] / this.top)} of the peak`),
    );
    this.listTensors(layer);
    if (!this.mark) return;
    const [start, stop] = this.range;
    this.mark.setAttribute("x", this.place(start));
    this.mark.setAttribute("width", Math.max(2, this.place(stop) - this.place(start)));
  }

  listTensors(layer) {
    const tensors = this.network.liveTensors(layer);
    const rows = tensors.slice(0, MOST_TENSORS).map((tensor) => {
      const bar = make("i", { class: "fill" });
      bar.style.width = `${(100 * tensor.bytes) / this.top}%`;
      const produced = tensor.layer >= 0;
      const name = produced
        ? make(
            "button",
            { type: "button", class: "link", onclick: () => this.network.selectLayer(tensor.layer, this) },
            tensor.name,
          )
        : make("span", {}, tensor.name);
      return make(
        "li",
        {},
        make("span", { class: "name" }, name, make("span", { class: "note" }, ` ${formatShape(tensor.shape)}`)),
        make("span", { class: "track" }, bar),
        make("span", { class: "number" }, formatBytes(tensor.bytes)),
      );
    });
    const others = tensors.slice(MOST_TENSORS);
    if (others.length) {
      const bytes = others.reduce((sum, tensor) => sum + tensor.bytes, 0);
      rows.push(make("li", { class: "note" }, `and ${others.length} more, ${formatBytes(bytes)}`));
    }
    this.list.replaceChildren(...rows);
  }

  findLayer(event) {
    const share =
      (event.clientX - this.plot.getBoundingClientRect().left - PLOT.left) / (this.width - PLOT.left - PLOT.right);
    return Math.floor(share * this.live.length);
  }

  pressKey(event) {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    if (event.key in steps) this.network.selectLayer(this.layer + steps[event.key], this);
    else if (event.key === "Home") this.network.selectLayer(0, this);
    else if (event.key === "End") this.network.selectLayer(this.live.length - 1, this);
    else return;
    event.preventDefault();
  }
}
