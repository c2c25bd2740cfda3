// Becomes the page that the embedding one sends as {html}; the security policy of this page stays in force.
addEventListener("message", ({ source, data }) => {
  if (source !== parent || data.html === undefined) return;
  document.open();
  document.write(data.html);
  document.close();
});
parent.postMessage("loaded", "*");
