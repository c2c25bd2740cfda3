// A button that changes between the colours of the system, light and dark.

function makeThemeButton() {
  const themes = ["auto", "light", "dark"];
  let chosen = 0;
  const button = make("button", {
    type: "button",
    class: "theme",
    onclick: () => {
      chosen = (chosen + 1) % themes.length;
      document.documentElement.dataset.theme = themes[chosen];
      button.textContent = `Theme: ${themes[chosen]}`;
    },
  });
  button.textContent = "Theme: auto";
  return button;
}
