// The table of layers as a tree: sorting, folding, filtering, choosing columns. Only the rows in view are in the page.

const ROW = 28; // height of a row in pixels, as in the style
const TITLES = 33; // height of the row of titles
const MOST_OPEN = 60; // at most this many rows are open at first
const MOST_PRINTED = 3000;

// Returns the scopes that are folded at first: those below the deepest level at which few rows are open.
function foldAtFirst(items) {
  const counts = [];
  for (const item of items) counts[item.level] = (counts[item.level] || 0) + 1;
  let level = 0;
  for (let open = counts[0]; level + 1 < counts.length && open + counts[level + 1] <= MOST_OPEN; level += 1)
    open += counts[level + 1];
  return new Set(items.filter((item) => item.isScope && item.level >= level));
}

class LayerTable {
  // `host` is the element that the table will fill; `isShown` returns whether an item can be listed.
  constructor(network, host, columns = LAYER_COLUMNS, isShown = () => true) {
    this.network = network;
    this.allColumns = columns.all;
    this.isShown = isShown;
    this.folded = foldAtFirst(network.items.filter(isShown));
    this.sort = null; // { column, down }
    this.words = "";
    this.widths = new Map(); // of columns, once they are known
    this.shown = new Set(host.clientWidth && host.clientWidth < 560 ? columns.narrow : columns.shown);
    this.id = newId("row");
    this.filter = make("input", {
      type: "search",
      placeholder: "Filter layers…",
      "aria-label": "Filter layers by name, kind or arguments",
      oninput: () => this.filterBy(this.filter.value),
    });
    this.status = make("span", { class: "status", role: "status" });
    this.head = make("div", { role: "row", class: "row head" });
    this.body = make("div", { role: "rowgroup", class: "body" });
    this.grid = make(
      "div",
      {
        role: "treegrid",
        class: "grid",
        tabindex: 0,
        "aria-label": "Layers",
        onkeydown: (event) => this.pressKey(event),
      },
      make("div", { role: "rowgroup" }, this.head),
      this.body,
    );
    this.grid.addEventListener("scroll", () => this.drawRows(), { passive: true });
    this.body.addEventListener("click", (event) => this.clickRow(event));
    this.element = make("div", { class: "table" }, this.makeTools(), this.grid);
    network.onSelect((item, source) => this.showSelected(item, source));
    new ResizeObserver(() => this.drawRows()).observe(this.grid);
    window.addEventListener("beforeprint", () => this.drawRows(true));
    window.addEventListener("afterprint", () => this.drawRows());
    this.update();
  }

  makeTools() {
    const boxes = this.allColumns.map((column) => {
      const box = make("input", {
        type: "checkbox",
        checked: this.shown.has(column.name),
        onchange: () => this.toggleColumn(column.name, box.checked),
      });
      return make("label", {}, box, column.title);
    });
    return make(
      "div",
      { class: "tools" },
      this.filter,
      make("button", { type: "button", onclick: () => this.foldAll(false) }, "Unfold all"),
      make("button", { type: "button", onclick: () => this.foldAll(true) }, "Fold all"),
      makeMenu("Columns", boxes),
      this.status,
    );
  }

  // -- what is shown

  get columns() {
    return this.allColumns.filter((column) => this.shown.has(column.name));
  }

  get isFlat() {
    return this.sort !== null || this.words !== "";
  }

  toggleColumn(name, on) {
    if (on) this.shown.add(name);
    else this.shown.delete(name);
    this.update();
  }

  filterBy(text) {
    this.words = text.trim().toLowerCase();
    this.grid.scrollTop = 0;
    this.update();
  }

  showOnly(isShown) {
    this.isShown = isShown;
    this.grid.scrollTop = 0;
    this.update();
  }

  sortBy(column) {
    const again = this.sort && this.sort.column === column;
    if (again && !this.sort.down) this.sort = null;
    else this.sort = { column, down: !again };
    this.grid.scrollTop = 0;
    this.update();
  }

  foldAll(fold) {
    this.folded = new Set(fold ? this.network.items.filter((item) => item.isScope) : []);
    this.update();
  }

  fold(item, fold) {
    if (fold) this.folded.add(item);
    else this.folded.delete(item);
    this.update();
  }

  listRows() {
    if (!this.isFlat) return this.listTree();
    const rows = this.network.layers.filter((item) => this.isShown(item) && this.matches(item));
    if (!this.sort) return rows;
    const { column, down } = this.sort;
    const value = column.name === "share" ? (item) => this.network.share(item) : column.value || ((item) => item.name);
    rows.sort((one, other) => compareValues(value(one), value(other)) * (down ? -1 : 1) || one.index - other.index);
    return rows;
  }

  listTree() {
    const rows = [];
    let below = Infinity; // level of the folded scope whose rows are skipped
    for (const item of this.network.items) {
      if (item.level > below || !this.isShown(item)) continue;
      below = Infinity;
      rows.push(item);
      if (this.folded.has(item)) below = item.level;
    }
    return rows;
  }

  matches(item) {
    const text = `${item.name} ${item.figures.kind} ${item.search || item.what}`.toLowerCase();
    return this.words.split(/\s+/).every((word) => text.includes(word));
  }

  // -- drawing

  update() {
    this.rows = this.listRows();
    const columns = this.columns;
    const signs = this.rows.some((item) => this.network.changeOf(item)) ? 3 : 0;
    const labels = this.rows.map(
      (item) => signs + (this.isFlat ? item.name.length : item.label.length + 2 * item.level + 2),
    );
    const widest = labels.reduce((most, length) => Math.max(most, length), 10);
    const widths = columns.map((column) =>
      column.bar ? `minmax(${column.width}ch, 1fr)` : `${this.measure(column)}ch`,
    );
    this.grid.style.setProperty("--columns", [`${Math.min(widest + 1, 40)}ch`, ...widths].join(" "));
    this.head.replaceChildren(this.makeTitle(NAME), ...columns.map((column) => this.makeTitle(column)));
    this.grid.setAttribute("aria-rowcount", this.rows.length + 1);
    this.body.style.height = `${Math.max(this.rows.length, 1) * ROW}px`;
    const layers = WHOLE.format(this.network.layers.length);
    const shown = this.network.layers.filter((item) => this.isShown(item) && (!this.words || this.matches(item))).length;
    const count = shown < this.network.layers.length ? `${WHOLE.format(shown)} of ${layers}` : layers;
    this.status.textContent = `${count} layers`;
    this.drawRows();
  }

  measure(column) {
    if (!this.widths.has(column)) this.widths.set(column, measureColumn(column, this.network.items));
    return this.widths.get(column);
  }

  makeTitle(column) {
    const sorted = this.sort && this.sort.column === column;
    const order = sorted ? (this.sort.down ? "descending" : "ascending") : "none";
    const sign = sorted ? (this.sort.down ? " ↓" : " ↑") : "";
    const button = make("button", { type: "button", onclick: () => this.sortBy(column) }, column.title + sign);
    return make(
      "div",
      { role: "columnheader", class: column.left ? "cell" : "cell right", "aria-sort": order },
      button,
    );
  }

  // Draws the rows in view and some around them, or for printing all rows.
  drawRows(all = false) {
    const height = this.grid.clientHeight || 600;
    const first = all ? 0 : Math.max(0, Math.floor(this.grid.scrollTop / ROW) - 15);
    const stop = Math.min(this.rows.length, all ? MOST_PRINTED : first + Math.ceil(height / ROW) + 30);
    const rows = [];
    for (let place = first; place < stop; place += 1) rows.push(this.makeRow(this.rows[place], place));
    if (!this.rows.length) rows.push(make("p", { class: "empty" }, "No layer matches the filter."));
    this.body.replaceChildren(...rows);
    this.markActive();
  }

  makeRow(item, place) {
    const selected = item === this.network.selected;
    const change = this.network.changeOf(item);
    const row = make("div", {
      role: "row",
      class: `row${item.isScope ? " scope" : ""}${place % 2 ? " odd" : ""}${change ? ` is-${change.name}` : ""}`,
      id: `${this.id}-${item.index}`,
      "aria-rowindex": place + 2,
      "aria-level": this.isFlat ? 1 : item.level + 1,
      "aria-expanded": item.isScope ? String(!this.folded.has(item)) : null,
      "aria-selected": String(selected),
      "data-place": place,
    });
    row.style.top = `${place * ROW}px`;
    row.append(this.makeName(item), ...this.columns.map((column) => this.makeCell(item, column)));
    return row;
  }

  makeName(item) {
    const name = this.isFlat ? item.name : item.label;
    const finding = this.network.findingOf(item);
    const change = this.network.changeOf(item);
    const cell = make(
      "div",
      { role: "rowheader", class: "cell name", title: item.name },
      item.isScope ? make("span", { class: "twisty", "aria-hidden": "true" }, this.folded.has(item) ? "▸" : "▾") : null,
      change ? make("span", { class: "sign", title: change.name }, change.sign) : null,
      make("span", { class: "text" }, name),
      finding ? make("span", { class: `mark is-${finding.severity}`, title: finding.message }, "●") : null,
    );
    cell.style.setProperty("--level", this.isFlat ? 0 : item.level);
    return cell;
  }

  makeCell(item, column) {
    if (column.name === "share") return this.makeShare(item);
    const text = String(column.text(item));
    const full = column.exact ? column.exact(item) : text.length > this.measure(column) ? text : null;
    return make("div", { role: "gridcell", class: column.left ? "cell" : "cell right", title: full }, text);
  }

  makeShare(item) {
    const share = this.network.share(item);
    const cell = make("div", { role: "gridcell", class: "cell share" });
    if (share === null) cell.append("?");
    else if (share) {
      const bar = make("i", { class: "fill" });
      bar.style.width = `${100 * share}%`;
      cell.append(make("span", { class: "number" }, formatPercent(share)), make("span", { class: "track" }, bar));
    }
    return cell;
  }

  markActive() {
    const { selected } = this.network;
    if (selected && this.rows.includes(selected))
      this.grid.setAttribute("aria-activedescendant", `${this.id}-${selected.index}`);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  // -- reacting

  showSelected(item, source) {
    if (!this.isFlat) {
      for (let scope = item.parent; scope; scope = scope.parent) this.folded.delete(scope);
      this.update();
    }
    if (source !== this || !this.isInView(item)) this.scrollTo(item);
    this.drawRows();
  }

  isInView(item) {
    const top = this.rows.indexOf(item) * ROW;
    return top >= this.grid.scrollTop && top + ROW + TITLES <= this.grid.scrollTop + this.grid.clientHeight;
  }

  scrollTo(item) {
    const place = this.rows.indexOf(item);
    if (place < 0 || this.isInView(item)) return;
    this.grid.scrollTop = Math.max(0, place * ROW - this.grid.clientHeight / 2);
  }

  clickRow(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    const item = this.rows[Number(row.dataset.place)];
    if (event.target.closest(".twisty") || (item.isScope && item === this.network.selected))
      this.fold(item, !this.folded.has(item));
    this.network.select(item, this);
  }

  pressKey(event) {
    if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const item = this.network.selected;
    const place = item ? this.rows.indexOf(item) : -1;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && this.rows.length) {
      const next = Math.max(0, Math.min(this.rows.length - 1, place + steps[event.key]));
      this.network.select(this.rows[next], this);
    } else if (event.key === "ArrowRight" && item && item.isScope) {
      if (this.folded.has(item)) this.fold(item, false);
      else if (place >= 0 && place + 1 < this.rows.length) this.network.select(this.rows[place + 1], this);
    } else if (event.key === "ArrowLeft" && item && !this.isFlat) {
      if (item.isScope && !this.folded.has(item)) this.fold(item, true);
      else if (item.parent) this.network.select(item.parent, this);
    } else if ((event.key === "Enter" || event.key === " ") && item && item.isScope)
      this.fold(item, !this.folded.has(item));
    else if (event.key === "/") this.filter.focus();
    else return;
    event.preventDefault();
  }
}
