// The graph: boxes and arrows that the program placed, coloured by a metric. It pans, zooms, and folds to a depth.

const STEPS = 8;
const ZOOM = 1.25;
const MOST_SCALE = 1.2; // of a graph that fits with room to spare
const [NAME_SIZE, LINE_HEIGHT] = [12, 15];
const HEAD = 6; // length of an arrow head

function chooseStep(figure, most) {
  if (figure === null) return "unknown";
  return `step${most ? Math.ceil((figure * (STEPS - 1)) / most) : 0}`;
}

// Returns the path of an arrow, whose corners are rounded, and the corners of its head.
function traceArrow(numbers) {
  const points = [];
  for (let at = 0; at < numbers.length; at += 2) points.push([numbers[at], numbers[at + 1]]);
  const parts = [`M${points[0]}`];
  for (let at = 1; at < points.length - 1; at += 1) {
    const [before, corner, after] = points.slice(at - 1, at + 2);
    parts.push(`L${stepTowards(corner, before)}Q${corner} ${stepTowards(corner, after)}`);
  }
  const [end, last] = [points.at(-1), points.at(-2)];
  const length = Math.hypot(end[0] - last[0], end[1] - last[1]) || 1;
  const [dx, dy] = [((end[0] - last[0]) / length) * HEAD, ((end[1] - last[1]) / length) * HEAD];
  const head = [end, [end[0] - dx - dy / 2, end[1] - dy + dx / 2], [end[0] - dx + dy / 2, end[1] - dy - dx / 2]];
  return { path: `${parts.join("")}L${end}`, head: head.join(" ") };
}

function stepTowards(corner, other) {
  const length = Math.hypot(other[0] - corner[0], other[1] - corner[1]);
  const part = length ? Math.min(6, length / 2) / length : 0;
  return [corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part];
}

class Graph {
  // `title` labels the menu of metrics, `name` is the name of the network for screen readers. The
  // graph is folded to `depth` at first, or as `convcalc draw` does.
  constructor(network, title = "Colour", name = "the network", depth = undefined) {
    this.network = network;
    this.title = title;
    this.graphs = network.data.graphs;
    const isFirst = (graph) => (depth === undefined ? graph.chosen : graph.depth === depth);
    this.graph = this.graphs.find(isFirst) || this.graphs[0];
    this.metric = network.shareOf;
    this.element = make("section", { class: "graph" });
    if (!this.graph) {
      this.element.append(
        make("p", { class: "empty" }, "The network is too large to draw. Put layers into blocks, which can be folded."),
      );
      return;
    }
    this.view = { x: 0, y: 0, scale: 1 };
    this.scene = draw("g", {});
    this.canvas = draw("svg", {
      class: "canvas",
      tabindex: 0,
      role: "application",
      "aria-label": `Graph of ${name}. Arrow keys select boxes, plus and minus zoom, 0 shows everything.`,
      onkeydown: (event) => this.pressKey(event),
      onwheel: (event) => this.turnWheel(event),
      onpointerdown: (event) => this.startDrag(event),
    });
    this.canvas.append(this.scene);
    this.scale = make("div", { class: "scale" });
    this.element.append(this.makeTools(), this.canvas, this.scale);
    network.onSelect((item, source) => this.showSelected(source));
    onWidth(this.canvas, () => this.fit());
    this.drawGraph();
  }

  makeTools() {
    const metrics = make("select", { "aria-label": this.title, onchange: () => this.colorBy(metrics.value) });
    for (const [name, title] of Object.entries(METRICS))
      metrics.append(make("option", { value: name, selected: name === this.metric }, title));
    const depths = make("select", { "aria-label": "Depth", onchange: () => this.foldTo(this.graphs[depths.value]) });
    this.graphs.forEach((graph, index) => {
      const depth = graph.depth === null ? "all layers" : `depth ${graph.depth}`;
      depths.append(
        make("option", { value: index, selected: graph === this.graph }, `${depth}, ${graph.boxes.length} boxes`),
      );
    });
    const zoom = (text, label, act) =>
      make("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
    return make(
      "div",
      { class: "tools" },
      make("label", {}, this.title, metrics),
      make("label", {}, "Fold", depths),
      make(
        "span",
        { class: "group" },
        zoom("−", "Zoom out", () => this.zoom(1 / ZOOM)),
        zoom("+", "Zoom in", () => this.zoom(ZOOM)),
        zoom("Fit", "Show everything", () => this.fit()),
      ),
    );
  }

  colorBy(metric) {
    this.metric = metric;
    this.drawGraph();
  }

  foldTo(graph) {
    this.graph = graph;
    this.drawGraph();
    this.fit();
  }

  // -- drawing

  drawGraph() {
    const { boxes, arrows } = this.graph;
    const most = Math.max(0, ...boxes.map((box) => (box.figures && this.figure(box)) || 0));
    const lines = arrows.map((numbers) => {
      const { path, head } = traceArrow(numbers);
      return [draw("path", { class: "arrow", d: path }), draw("polygon", { class: "head", points: head })];
    });
    this.groups = boxes.map((box, index) => this.drawBox(box, index, most));
    this.scene.replaceChildren(...lines.flat(), ...this.groups);
    this.drawScale(boxes, most);
    this.markSelected();
    if (sizeOf(this.canvas)[0]) this.squeezeTexts();
  }

  drawBox(box, index, most) {
    const [x, y, width, height] = box.box;
    const tone = box.figures ? chooseStep(this.figure(box), most) : "input";
    const lines = [...box.lines];
    if (box.figures) lines.push(this.describeFigure(box));
    const shadows = Array.from({ length: Math.min((box.copies || 1) - 1, 2) }, (_, at) =>
      draw("rect", { class: `box ${tone}`, x: x + 4 * (2 - at), y: y + 4 * (2 - at), width, height, rx: 5 }),
    );
    const texts = lines.map((text, at) =>
      draw(
        "text",
        { x: x + width / 2, y: y + LINE_HEIGHT * (at + 1), class: at ? "line" : "name", "data-room": width - 12 },
        text,
      ),
    );
    const change = box.layers ? this.network.changeIn(...box.layers) : null;
    return draw(
      "g",
      { class: change ? `node is-${change.name}` : "node", "data-box": index },
      draw("title", {}, [change && change.name, this.describeBox(box)].filter(Boolean).join(": ")),
      shadows,
      draw("rect", { class: `box front ${tone}`, x, y, width, height, rx: 5 }),
      texts,
      change ? this.drawSign(change.sign, x, y) : null,
    );
  }

  drawSign(sign, x, y) {
    const text = draw("text", { x, y: y + 5 }, sign);
    return draw("g", { class: "sign" }, draw("circle", { cx: x, cy: y, r: 9 }), text);
  }

  // Texts are measured in Helvetica by the program; a wider font of the reader is squeezed into the boxes.
  squeezeTexts() {
    const texts = [...this.scene.querySelectorAll("text[data-room]")];
    const lengths = texts.map((text) => text.getComputedTextLength());
    texts.forEach((text, index) => {
      const room = Number(text.dataset.room);
      if (lengths[index] <= room) return;
      text.setAttribute("textLength", room);
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    });
  }

  figure(box, metric = this.metric) {
    return box.figures[Object.keys(METRICS).indexOf(metric)];
  }

  describeFigure(box) {
    const figure = this.figure(box);
    if (figure === 0) return "";
    const total = this.network.report.totals[this.metric];
    const share = figure && total && figure / total >= 0.0005 ? ` (${formatPercent(figure / total)})` : "";
    return `${formatAmount(this.metric, figure)} ${METRICS[this.metric]}${share}`;
  }

  describeBox(box) {
    const figures = (box.figures || []).map(
      (figure, at) => `${Object.values(METRICS)[at]} ${formatExactAmount(Object.keys(METRICS)[at], figure)}`,
    );
    return [box.lines[0], ...figures].join(" · ");
  }

  drawScale(boxes, most) {
    const steps = Array.from({ length: STEPS }, (_, step) => make("i", { class: `step${step}` }));
    const unknown = boxes.some((box) => box.figures && this.figure(box) === null);
    this.scale.replaceChildren(
      make("span", {}, "0"),
      make("span", { class: "steps", "aria-hidden": "true" }, steps),
      make("span", {}, `${formatAmount(this.metric, most)} ${METRICS[this.metric]}`),
      unknown ? make("span", { class: "none" }, make("i", { class: "unknown" }), "unknown") : "",
    );
  }

  // -- moving

  apply() {
    const { x, y, scale } = this.view;
    this.scene.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${scale.toFixed(4)})`);
  }

  fit() {
    // a small graph needs no tall canvas
    this.canvas.style.maxHeight = `${Math.max(360, MOST_SCALE * this.graph.height + 40)}px`;
    const [width, height] = sizeOf(this.canvas);
    if (!width || !height) return;
    this.squeezeTexts();
    const scale = Math.min((width - 32) / this.graph.width, (height - 32) / this.graph.height, MOST_SCALE);
    this.view = { scale, x: (width - this.graph.width * scale) / 2, y: 16 };
    this.apply();
  }

  // Zooms around a point of the canvas, by default its middle.
  zoom(factor, [x, y] = sizeOf(this.canvas).map((length) => length / 2)) {
    const scale = Math.max(0.02, Math.min(4, this.view.scale * factor));
    const ratio = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * ratio, y: y - (y - this.view.y) * ratio };
    this.apply();
  }

  turnWheel(event) {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== this.canvas) return; // else the page scrolls
    event.preventDefault();
    const place = this.canvas.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 400), [event.clientX - place.left, event.clientY - place.top]);
  }

  startDrag(event) {
    if (event.button !== 0) return;
    const start = { x: event.clientX, y: event.clientY, view: { ...this.view } };
    let moved = false;
    const move = (now) => {
      moved = moved || Math.hypot(now.clientX - start.x, now.clientY - start.y) > 4;
      if (!moved) return;
      this.view = { ...start.view, x: start.view.x + now.clientX - start.x, y: start.view.y + now.clientY - start.y };
      this.apply();
    };
    const end = () => {
      this.canvas.removeEventListener("pointermove", move);
      const node = event.target.closest(".node");
      if (!moved && node) this.selectBox(Number(node.dataset.box));
    };
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", end, { once: true });
    this.canvas.addEventListener("pointercancel", () => this.canvas.removeEventListener("pointermove", move), {
      once: true,
    });
  }

  // -- selecting

  selectBox(index) {
    const { layers } = this.graph.boxes[index];
    if (layers) this.network.selectRange(...layers, this);
  }

  // Returns the indexes of the boxes that have selected layers.
  listSelected() {
    return this.graph.boxes.flatMap((box, index) =>
      box.layers && this.network.isSelected(...box.layers) ? [index] : [],
    );
  }

  markSelected() {
    const chosen = new Set(this.listSelected());
    this.groups.forEach((group, index) => group.classList.toggle("selected", chosen.has(index)));
    return chosen;
  }

  showSelected(source) {
    const [first] = this.markSelected();
    if (first !== undefined && source !== this) this.reveal(first);
  }

  // Moves the view if a box is outside of it.
  reveal(index) {
    const [x, y, width, height] = this.graph.boxes[index].box;
    const [across, down] = sizeOf(this.canvas);
    const { scale } = this.view;
    const [left, top] = [x * scale + this.view.x, y * scale + this.view.y];
    const inside = left >= 0 && top >= 0 && left + width * scale <= across && top + height * scale <= down;
    if (!across || inside) return;
    this.view.x = across / 2 - (x + width / 2) * scale;
    this.view.y = down / 2 - (y + height / 2) * scale;
    this.apply();
  }

  pressKey(event) {
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) this.selectNext(steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(ZOOM);
    else if (event.key === "-") this.zoom(1 / ZOOM);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  selectNext(step) {
    const chosen = this.listSelected();
    const boxes = this.graph.boxes;
    let index = chosen.length ? (step > 0 ? chosen.at(-1) : chosen[0]) + step : step > 0 ? 0 : boxes.length - 1;
    while (boxes[index] && !boxes[index].layers) index += step;
    if (!boxes[index]) return;
    this.selectBox(index);
    this.reveal(index);
  }
}
