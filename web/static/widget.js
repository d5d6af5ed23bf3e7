// Puts the bot on another site: a bubble, and a dialog around a frame from our own address. See docs/widget.md.
//
// Bubble and dialog stand in a shadow root, so that no style of the site reaches them, nor ours the site. All styles go
// through the CSSOM, which a strict Content-Security-Policy of the site does not forbid.

(() => {
  if (window.Mundap) return;
  const ORIGINS = []; // filled in by the server: the sites that may show the bot
  const script = document.currentScript ?? document.querySelector('script[src*="/widget.js"]');
  const { lang: asked, theme, color, position, title: named } = script.dataset;
  const language = asked || document.documentElement.lang || navigator.language;
  const lang = language.toLowerCase().startsWith("ko") ? "ko" : "en";
  const title = named || { en: "Questions? Ask here", ko: "궁금한 점을 물어보세요" }[lang];
  const phone = matchMedia("(max-width: 640px)");

  if (!ORIGINS.includes("*") && !ORIGINS.includes(location.origin)) {
    console.warn(`Mundap: this site may not show the bot. Where the bot runs, add it: MUNDAP_ORIGINS=${location.origin}`);
    return;
  }

  // In pixels: a rem is as large as the site says.
  const CSS = `
    :host { --brand: #1c6b5d; --on-brand: #fff; --left: auto; --right: 20px; }
    button, dialog, iframe { border: 0; box-sizing: border-box; margin: 0; padding: 0; }
    button { align-items: center; background: var(--brand); border: 2px solid transparent; border-radius: 50%; bottom: 20px;
      box-shadow: 0 2px 6px rgb(0 0 0 / 20%), 0 8px 24px rgb(0 0 0 / 18%); color: var(--on-brand); cursor: pointer; display: flex;
      height: 56px; left: var(--left); right: var(--right); justify-content: center; margin-bottom: env(safe-area-inset-bottom);
      position: fixed; width: 56px; z-index: 2147483646; }
    button:focus-visible { outline: 3px solid var(--brand); outline-offset: 3px; }
    svg { fill: none; height: 26px; stroke: currentcolor; stroke-linecap: round; stroke-linejoin: round; stroke-width: 1.8;
      width: 26px; }
    button[aria-expanded="false"] .shut, button[aria-expanded="true"] .say { display: none; }
    dialog { background: Canvas; border: 1px solid rgb(128 128 128 / 35%); border-radius: 16px; bottom: 92px;
      box-shadow: 0 8px 40px rgb(0 0 0 / 25%); color: CanvasText; height: min(672px, 100dvh - 112px); left: var(--left); right: var(--right);
      max-height: none; max-width: none; overflow: hidden; position: fixed; top: auto; width: 400px; z-index: 2147483647; }
    dialog:modal { border: 0; border-radius: 0; height: 100dvh; inset: 0; width: 100vw; }
    iframe { display: block; height: 100%; width: 100%; }
    @media (prefers-reduced-motion: no-preference) {
      button { transition: transform 0.15s; }
      button:hover { transform: scale(1.06); }
      dialog[open] { animation: rise 0.2s ease-out; }
      @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
    }
    @media (forced-colors: active) { button { border-color: ButtonText; } }
    @media print { :host { display: none; } }`;

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const bubble = make("button", { type: "button", "aria-label": title, "aria-haspopup": "dialog", "aria-expanded": "false" });
  const dialog = make("dialog", { "aria-label": title });
  const frame = make("iframe", { title, allow: "clipboard-write", referrerpolicy: "no-referrer" });
  const address = new URL("widget", script.src);
  let ready = false; // the frame listens
  let before = null; // what had the focus

  function make(name, attributes) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  }

  function drawing(name, path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    for (const [key, value] of [["class", name], ["viewBox", "0 0 24 24"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
    svg.append(line);
    return svg;
  }

  // White on a dark colour, black on a light one: the middle, where both contrast alike, is a luminance of .179 (WCAG 2).
  function paint() {
    const [hex] = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(color ?? "") ?? [];
    if (!hex) return;
    const digits = hex.length === 4 ? [...hex.slice(1)].map((one) => one + one) : hex.slice(1).match(/../g);
    const [r, g, b] = digits.map((two) => ((parseInt(two, 16) / 255 + 0.055) / 1.055) ** 2.4);
    host.style.setProperty("--brand", hex);
    host.style.setProperty("--on-brand", 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff");
  }

  // The site's rules may reach the one element that it can see: ours are inline and important, so they win.
  function protect() {
    for (const [name, value] of [["all", "initial"], ["display", "block"]]) host.style.setProperty(name, value, "important");
    if (position !== "left") return;
    host.style.setProperty("--left", "20px");
    host.style.setProperty("--right", "auto");
  }

  function tell(what) {
    if (ready) frame.contentWindow.postMessage({ mundap: what }, address.origin);
  }

  function focusFrame() {
    frame.focus();
    tell("focus");
  }

  function show() {
    if (phone.matches) dialog.showModal();
    else dialog.show();
  }

  function open() {
    mount();
    if (dialog.open) return;
    before = document.activeElement;
    if (!frame.isConnected) {
      frame.name = memory(); // heeded only before the frame is there
      frame.src = address;
      dialog.append(frame);
    }
    show();
    bubble.setAttribute("aria-expanded", "true");
    focusFrame();
  }

  function close() {
    if (!dialog.open) return;
    const inside = document.activeElement === host;
    dialog.close();
    bubble.setAttribute("aria-expanded", "false");
    if (inside) (before && before !== host && before !== document.body ? before : bubble).focus();
  }

  function hear({ source, origin, data }) {
    if (source !== frame.contentWindow || origin !== address.origin) return;
    if (data?.mundap === "close") close();
    if (data?.mundap === "keep") memory(data.text);
    if (data?.mundap !== "ready") return;
    ready = true;
    if (dialog.open && root.activeElement) tell("focus"); // unless the person has gone elsewhere meanwhile
  }

  // For a frame that may keep nothing itself; see memory.js.
  function memory(text) {
    try {
      if (text === undefined) return sessionStorage.getItem("mundap.kept") ?? "";
      sessionStorage.setItem("mundap.kept", text);
    } catch {
      // nor may the site: the conversation lasts until the page is left
    }
    return "";
  }

  function mount() {
    if (host.isConnected) return;
    protect();
    document.documentElement.append(host); // not the body: a site may put it aside, or draw it anew
  }

  for (const [key, value] of Object.entries({ lang, theme, color, title: named, host: location.origin })) {
    if (value) address.searchParams.set(key, value);
  }
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  root.adoptedStyleSheets = [sheet];
  bubble.append(
    drawing("say", "M12 4c-5 0-8.5 3-8.5 7 0 2.3 1.2 4.2 3 5.5V20l3.6-2.1q.9.15 1.9.15c5 0 8.5-3 8.5-7S17 4 12 4Z"),
    drawing("shut", "m6 9 6 6 6-6"),
  );
  root.append(bubble, dialog);
  paint();
  bubble.addEventListener("click", () => (dialog.open ? close() : open()));
  root.addEventListener("keydown", (event) => event.key === "Escape" && close());
  dialog.addEventListener("cancel", (event) => (event.preventDefault(), close()));
  dialog.addEventListener("close", () => bubble.setAttribute("aria-expanded", dialog.open)); // a browser may close it itself
  phone.addEventListener("change", () => dialog.open && (dialog.close(), show()));
  addEventListener("message", hear);
  window.Mundap = { open, close };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mount);
  else mount();
})();
