// The receptive field explorer: the region of the input on which one position of a layer's output depends.

const MOST_PIXELS = 50_000_000; // of a dropped image
const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/bmp"];
const STRIP = 48; // height of an input with one axis
const MOST_HEIGHT = 420;

// Returns the first and last input position that a position reads along one path; null if it reads none.
function readPath([period, shift, low, high], position) {
  const turn = Math.floor(position / period);
  const index = position - turn * period;
  return low[index] === null ? null : [low[index] + turn * shift, high[index] + turn * shift];
}

function uniteIntervals(paths, position) {
  const found = paths.map((path) => readPath(path, position)).filter((interval) => interval !== null);
  return found.length ? [Math.min(...found.map(([low]) => low)), Math.max(...found.map(([, high]) => high))] : null;
}

// Returns the position in the input's axes: a token stands for a position of the map it was made from.
function findPlaces(field, position) {
  if (position.length === field.axes.length) return position;
  if (position.length !== 1 || !field.layout) return field.axes.map(() => 0);
  const places = [];
  let token = position[0];
  for (const size of [...field.layout].reverse()) {
    places.unshift(token % size);
    token = Math.floor(token / size);
  }
  return places;
}

// Returns { intervals } per axis of the input, or { message } if they are not known or there are none.
function findRegion(field, position, inputSize) {
  if (field.whole) return { intervals: inputSize.map((size) => [0, size - 1]) };
  if (field.unknown) return { message: field.unknown };
  if (field.scattered && position.length)
    return { message: "which position of the input each token comes from is unknown" };
  const intervals = field.axes.map((paths, axis) => uniteIntervals(paths, findPlaces(field, position)[axis]));
  return intervals.includes(null) ? { message: "it depends on no position of the input" } : { intervals };
}

class FieldExplorer {
  constructor(network) {
    this.network = network;
    this.inputSize = network.data.fields.input_size;
    this.image = null;
    this.position = [];
    this.facts = make("p", { class: "caption", role: "status" });
    this.sliders = make("div", { class: "sliders" });
    this.plot = draw("svg", {
      class: "plot",
      role: "img",
      "aria-label": "Region of the input",
      onpointermove: (event) => this.follow(event),
      onpointerdown: (event) => this.follow(event, true),
    });
    this.message = make("p", { class: "note", role: "status" });
    this.element = make("section", {
      class: "field",
      ondragover: (event) => event.preventDefault(),
      ondrop: (event) => this.drop(event),
    });
    this.layer = this.chooseLayer(null);
    if (!this.inputSize.length) {
      this.element.append(make("p", { class: "empty" }, "The input is a vector: it has no positions to show."));
      return;
    }
    this.element.append(this.facts, this.sliders, this.plot, this.makeImageTools(), this.message);
    network.onSelect((item) => this.showLayer(this.chooseLayer(item)));
    onWidth(this.plot, (width) => this.resize(width));
    this.showLayer(this.layer);
  }

  // The layer of the selected item; without a selection, the last one whose output has positions and a region.
  chooseLayer(item) {
    if (item && item.output !== null) return item.output;
    const { fields, of_layer: of } = this.network.data.fields;
    const known = (index) =>
      fields[of[index]].axes && this.network.report.layers[index].output_shape.slice(1).some((size) => size > 1);
    const found = this.network.report.layers.findLastIndex((layer, index) => known(index));
    return Math.max(found, 0);
  }

  makeImageTools() {
    if (this.inputSize.length === 1) return null;
    const input = make("input", { type: "file", accept: TYPES.join(","), onchange: () => this.load(input.files[0]) });
    this.remove = make(
      "button",
      { type: "button", hidden: true, onclick: () => this.setImage(null) },
      "Remove the image",
    );
    return make(
      "div",
      { class: "tools" },
      make("label", { class: "drop" }, "Drop an image here, or choose one: ", input),
      this.remove,
    );
  }

  get output() {
    return this.network.report.layers[this.layer].output_shape.slice(1);
  }

  showLayer(layer) {
    this.layer = layer;
    this.position = this.output.map((size) => Math.floor(size / 2));
    this.inputs = this.output.map((size, axis) => this.makeSlider(size, axis));
    const names = { 1: ["position"], 2: ["row", "column"], 3: ["depth", "row", "column"] }[this.output.length] || [];
    this.sliders.replaceChildren(
      ...this.inputs.map((input, axis) =>
        make("label", {}, `${names[axis]} `, input, make("output", {}, String(this.position[axis]))),
      ),
    );
    this.update();
  }

  makeSlider(size, axis) {
    const input = make("input", {
      type: "range",
      min: 0,
      max: size - 1,
      value: this.position[axis],
      disabled: size < 2,
    });
    input.addEventListener("input", () =>
      this.moveTo(this.position.map((place, own) => (own === axis ? Number(input.value) : place))),
    );
    return input;
  }

  moveTo(position) {
    this.position = position;
    this.inputs.forEach((input, axis) => {
      input.value = position[axis];
      input.nextElementSibling.textContent = position[axis];
    });
    this.update();
  }

  // -- drawing

  update() {
    const { fields, of_layer: of } = this.network.data.fields;
    this.region = findRegion(fields[of[this.layer]], this.position, this.inputSize);
    this.describe();
    if (this.width) this.drawPlot();
  }

  describe() {
    const layer = this.network.report.layers[this.layer];
    const { intervals, message } = this.region;
    const place = this.position.length ? `, position ${this.position.join(", ")}` : "";
    const size = `field ${formatField(layer.receptive_field)} of ${formatShape(this.inputSize)}`;
    const seen = intervals ? `sees ${intervals.map(([low, high]) => `${low} … ${high}`).join(" × ")}` : message;
    const jump = formatJump(layer.receptive_field);
    this.facts.replaceChildren(
      make("strong", {}, layer.name),
      `${place}: ${seen} · ${size}${jump ? ` · jump ${jump}` : ""}`,
    );
  }

  resize(width) {
    this.width = width;
    this.drawPlot();
  }

  // Sets the scale of the plot, which shows the last two axes with all of the region, also beyond the input.
  measure() {
    const size = this.inputSize.length > 1 ? this.inputSize.slice(-2) : [1, ...this.inputSize];
    const found = this.region.intervals;
    const seen = !found ? null : found.length > 1 ? found.slice(-2) : [[0, 0], ...found];
    const low = size.map((length, axis) => Math.min(0, seen ? seen[axis][0] : 0));
    const high = size.map((length, axis) => Math.max(length, seen ? seen[axis][1] + 1 : 0));
    const [tall, wide] = [high[0] - low[0], high[1] - low[1]];
    const margin = 34;
    const across = (this.width - 2 * margin) / wide;
    const scale =
      this.inputSize.length > 1
        ? [Math.min(across, MOST_HEIGHT / tall), Math.min(across, MOST_HEIGHT / tall)]
        : [STRIP / tall, across];
    return { size, seen, low, high, scale, margin };
  }

  drawPlot() {
    const axes = this.measure();
    const { size, seen, low, high, scale, margin } = axes;
    this.axes = axes;
    const place = (axis, position) => margin + (position - low[axis]) * scale[axis];
    const box = (ranges, name) =>
      draw("rect", {
        class: name,
        x: place(1, ranges[1][0]),
        y: place(0, ranges[0][0]),
        width: (ranges[1][1] - ranges[1][0]) * scale[1],
        height: (ranges[0][1] - ranges[0][0]) * scale[0],
      });
    const whole = [
      [0, size[0]],
      [0, size[1]],
    ];
    const shapes = [
      box(
        [
          [low[0], high[0]],
          [low[1], high[1]],
        ],
        "beyond",
      ),
      box(whole, "whole"),
    ];
    if (this.image) {
      const { x, y, width, height } = Object.fromEntries(
        ["x", "y", "width", "height"].map((name) => [name, shapes[1].getAttribute(name)]),
      );
      shapes.push(draw("image", { href: this.image, x, y, width, height, preserveAspectRatio: "none" }));
    }
    if (seen)
      shapes.push(
        box(
          seen.map(([first, last]) => [first, last + 1]),
          "region",
        ),
      );
    const height = margin * 2 + (high[0] - low[0]) * scale[0];
    const ticks = [...new Set([low[1], 0, size[1], high[1]])].map((tick) =>
      draw("text", { class: "middle", x: place(1, tick), y: margin - 8 }, String(tick)),
    );
    const rows =
      this.inputSize.length > 1
        ? [...new Set([low[0], 0, size[0], high[0]])].map((tick) =>
            draw("text", { class: "end", x: margin - 5, y: place(0, tick) + 4 }, String(tick)),
          )
        : [];
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.plot.setAttribute("height", height);
    this.plot.replaceChildren(...shapes, ...ticks, ...rows);
  }

  // -- reacting

  // Selects the output position under the pointer.
  follow(event, now = false) {
    if (
      !this.axes ||
      (!now && event.buttons !== 1) ||
      !this.output.length ||
      this.output.length !== this.inputSize.length
    )
      return;
    const { size, low, scale, margin } = this.axes;
    const box = this.plot.getBoundingClientRect();
    const pointer = [event.clientY - box.top, event.clientX - box.left];
    const shares = pointer.map((at, axis) => ((at - margin) / scale[axis] + low[axis]) / size[axis]);
    const shown = this.inputSize.length > 1 ? shares : shares.slice(1);
    const fixed = this.output.length - shown.length;
    this.moveTo(
      this.output.map((length, axis) =>
        axis < fixed
          ? this.position[axis]
          : Math.max(0, Math.min(length - 1, Math.floor(shown[axis - fixed] * length))),
      ),
    );
  }

  drop(event) {
    event.preventDefault();
    this.load(event.dataTransfer.files[0]);
  }

  // Shows an image file; it never leaves this page.
  load(file) {
    if (!file || this.inputSize.length === 1) return;
    if (!TYPES.includes(file.type)) {
      this.message.textContent = printable(`${file.name} is not a PNG, JPEG, WebP, GIF, AVIF or BMP image.`);
      return;
    }
    const image = new Image();
    const address = URL.createObjectURL(file);
    image.addEventListener("load", () => {
      if (image.naturalWidth * image.naturalHeight > MOST_PIXELS)
        this.refuse(
          address,
          `${file.name} has ${formatExact(image.naturalWidth)}×${formatExact(image.naturalHeight)} pixels, and at most ${formatExact(MOST_PIXELS)} are shown: shrink the image.`,
        );
      else this.setImage(address);
    });
    image.addEventListener("error", () => this.refuse(address, `${file.name} is damaged or not an image.`));
    image.src = address;
  }

  refuse(address, message) {
    URL.revokeObjectURL(address);
    this.message.textContent = printable(message);
  }

  setImage(address) {
    if (this.image) URL.revokeObjectURL(this.image);
    this.image = address;
    this.remove.hidden = address === null;
    this.message.textContent = "";
    this.drawPlot();
  }
}
