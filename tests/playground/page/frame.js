// Receives {html, fit} from the page that embeds this one. Scripts in HTML that is set in this way do not run.
addEventListener("message", ({ source, data }) => {
  if (source !== parent) return;
  document.documentElement.classList.toggle("fit", data.fit);
  if (data.html === undefined) return;
  document.body.innerHTML = data.html;
  // a picture is made smaller to fit, but not so small that nobody can read it
  for (const picture of document.querySelectorAll("svg[width]")) picture.style.minWidth = `${picture.width.baseVal.value / 2}px`;
});
parent.postMessage("loaded", "*");
