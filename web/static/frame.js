// The conversation inside the widget's frame: what it tells the site around it, and what it hears from there.

const settings = JSON.parse(document.getElementById("settings").textContent);
const title = document.getElementById("title");

function tell(what) {
  if (settings.host && parent !== window) parent.postMessage({ mundap: what }, settings.host);
}

addEventListener("message", ({ source, origin, data }) => {
  if (source !== parent || origin !== settings.host || data?.mundap !== "focus") return;
  const touch = matchMedia("(pointer: coarse)").matches; // there, the field would raise the keyboard
  (touch ? title : document.getElementById("message")).focus();
});
document.getElementById("close").addEventListener("click", () => tell("close"));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) tell("close");
});
tell("ready");
