// Makes elements. Texts are always text nodes, never markup, and control characters in them are made visible.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : printable(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    node.append(child instanceof Node ? child : printable(child));
  }
  return node;
}

function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Returns the width and height of an element in whole pixels; 0 while it is hidden. Not all browsers have clientWidth for
// pictures.
function sizeOf(element) {
  const { width, height } = element.getBoundingClientRect();
  return [Math.round(width), Math.round(height)];
}

// Calls `redraw` with the width of an element whenever it changes, except while the element is hidden (width 0).
function onWidth(element, redraw) {
  let last = 0;
  new ResizeObserver(() => {
    const [width] = sizeOf(element);
    if (width && width !== last) {
      last = width;
      redraw(width);
    }
  }).observe(element);
}

let lastId = 0;
function newId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

// Makes a menu that a click elsewhere or the key Escape closes.
function makeMenu(title, items) {
  const summary = make("summary", {}, title);
  const menu = make("details", { class: "menu" }, summary, make("div", {}, items));
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    summary.focus();
  });
  return menu;
}

// Makes tabs from [title, panel] pairs; arrow keys change the tab, as the pattern of WAI-ARIA says.
function makeTabs(label, pairs) {
  const tabs = pairs.map(([title, panel]) => {
    panel.id = panel.id || newId("panel");
    panel.setAttribute("role", "tabpanel");
    const tab = make("button", { role: "tab", type: "button", id: newId("tab"), "aria-controls": panel.id }, title);
    panel.setAttribute("aria-labelledby", tab.id);
    return tab;
  });
  function show(chosen) {
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(index === chosen));
      tab.tabIndex = index === chosen ? 0 : -1;
      pairs[index][1].hidden = index !== chosen;
    });
  }
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => show(index));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (index + step + tabs.length) % tabs.length;
      show(next);
      tabs[next].focus();
      event.preventDefault();
    });
  });
  show(0);
  return make(
    "div",
    { class: "tabs" },
    make("div", { role: "tablist", "aria-label": label }, tabs),
    pairs.map(([, panel]) => panel),
  );
}
