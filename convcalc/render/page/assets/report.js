// Starts the page: one set of linked views per network, made when its part is first open.

function showNetwork(article, data) {
  const network = new Network(data, Number(article.dataset.network));
  const host = article.querySelector(".work");
  const table = new LayerTable(network, host, chooseColumns(network));
  const graph = new Graph(network);
  const panel = makeTabs("Views", [
    ["Graph", graph.element],
    ["Memory", new Memory(network).element],
    ["Receptive field", new FieldExplorer(network).element],
    ["Layer", new LayerDetails(network).element],
  ]);
  host.replaceChildren(
    make("div", { class: "pane" }, make("h2", {}, "Layers"), table.element),
    make("div", { class: "pane" }, panel),
  );
  network.onSelect((item) => markLine(article, network, item));
}

// Marks the line of the selected layer in the spec, and scrolls only the spec to it.
function markLine(article, network, item) {
  const line = document.getElementById(`n${network.number}-line${item.figures.line}`);
  for (const marked of article.querySelectorAll(".spec .selected")) marked.classList.remove("selected");
  if (!line) return;
  line.classList.add("selected");
  const spec = line.parentElement;
  spec.scrollTop = line.offsetTop - spec.clientHeight / 2;
}

// Makes buttons that open or close the parts of all networks, below their comparison.
function makeFoldButtons() {
  const parts = [...document.querySelectorAll("details.network")];
  if (!parts.length) return;
  const setAll = (open) => () => parts.forEach((part) => (part.open = open));
  document
    .querySelector(".compare")
    .append(
      make(
        "div",
        { class: "tools" },
        make("button", { type: "button", onclick: setAll(true) }, "Open all"),
        make("button", { type: "button", onclick: setAll(false) }, "Close all"),
      ),
    );
}

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  for (const article of document.querySelectorAll("article[data-network]")) {
    const details = article.closest("details");
    const open = () => {
      if (!article.dataset.open) {
        article.dataset.open = "yes";
        showNetwork(article, data.networks[article.dataset.network]);
      }
    };
    if (!details) open();
    else details.addEventListener("toggle", () => details.open && open());
  }
  makeFoldButtons();
  document.querySelector("footer").append(makeThemeButton());
  window.addEventListener("hashchange", followLink);
  followLink();
  // an image that is dropped next to the picture must not replace the page
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
}

// Opens the part of the page that contains the target of its address.
function followLink() {
  const target = document.getElementById(location.hash.slice(1));
  const details = target && target.closest("details.network");
  if (!details || details.open) return;
  details.open = true;
  target.scrollIntoView();
}

start();
