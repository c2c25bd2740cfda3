// Receives {html, fit} from the page that embeds this one. Scripts in HTML that is set in this way do not run.
addEventListener("message", ({ source, data }) => {
  if (source !== parent) return;
  document.documentElement.classList.toggle("fit", data.fit);
  if (data.html !== undefined) document.body.innerHTML = data.html;
});
parent.postMessage("loaded", "*");
