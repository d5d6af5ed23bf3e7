// The conversation: kept in this tab's sessionStorage, asked over one JSON address, drawn by draw.js.

import { drawAnswer, drawQuestion, drawTrouble, drawWaiting, icon } from "./draw.js";

const settings = JSON.parse(document.getElementById("settings").textContent);
const { words, lang, limit } = settings;
const [form, input, log, welcome, fresh, count, status] = ["composer", "message", "log", "welcome", "new", "count", "status"].map(
  (id) => document.getElementById(id),
);
const KEY = "mundap.conversation";
const MOST_ITEMS = 80;
const PATIENCE = 60_000; // milliseconds

let { session, items } = recall();
let waiting = null; // the AbortController of the question under way

// ---- Memory

function newSession() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    if (Array.isArray(kept.items) && typeof kept.session === "string") return kept;
  } catch {
    // nothing kept, or storage is switched off: start afresh
  }
  return { session: newSession(), items: [] };
}

function remember() {
  items = items.slice(-MOST_ITEMS);
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ session, items }));
  } catch {
    // storage is full or switched off: the conversation lasts until the page is left
  }
}

// ---- Drawing

function draw(item) {
  if (item.question !== undefined) return drawQuestion(item.question, words);
  if (item.trouble) return drawTrouble(item.trouble, words, lang);
  return drawAnswer(item.answer, settings);
}

function redraw() {
  log.replaceChildren(...items.map(draw));
  arrange();
}

function add(item) {
  items.push(item);
  remember();
  log.append(draw(item));
  arrange();
}

function arrange() {
  welcome.hidden = items.length > 0;
  fresh.hidden = items.length === 0;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  [...log.querySelectorAll(".mine")].at(-1)?.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
}

// ---- Asking

async function ask(message) {
  const controller = new AbortController();
  waiting = controller;
  const patience = setTimeout(() => controller.abort("slow"), PATIENCE);
  const placeholder = drawWaiting(words);
  form.setAttribute("aria-busy", "true");
  log.append(placeholder);
  arrange();
  const reply = await post(message, controller.signal).catch(() => ({ trouble: { code: controller.signal.reason ?? "offline" } }));
  clearTimeout(patience);
  placeholder.remove();
  if (waiting !== controller) return; // a new conversation began meanwhile
  waiting = null;
  form.removeAttribute("aria-busy");
  add(reply);
}

async function post(message, signal) {
  const response = await fetch(settings.ask, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ message, session }),
    signal,
  });
  const body = await response.json().catch(() => ({}));
  if (response.ok && typeof body.text === "string") return { answer: body };
  const { code, message: english, message_ko } = body.error ?? { code: "broken" };
  const final = response.status >= 400 && response.status < 500 && response.status !== 429;
  return { trouble: { code, message: english, message_ko, final } };
}

function send(message) {
  const tooLong = [...message].length > limit;
  if (waiting || tooLong || !message.trim()) return;
  add({ question: message });
  ask(message);
}

function retry(article) {
  if (waiting) return;
  const asked = [...log.children].indexOf(article) - 1;
  const [{ question }] = items.splice(asked, 2);
  redraw();
  send(question);
  focusInput();
}

function startAgain() {
  waiting?.abort("new");
  waiting = null;
  form.removeAttribute("aria-busy");
  session = newSession();
  items = [];
  remember();
  redraw();
  focusInput();
}

// ---- The form

function grow() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
  const length = [...input.value].length;
  count.textContent = length > limit * 0.9 ? words.count.replace("{n}", length).replace("{limit}", limit) : "";
  count.classList.toggle("over", length > limit);
}

function focusInput() {
  if (!matchMedia("(pointer: coarse)").matches) input.focus(); // on a phone this would raise the keyboard
}

async function copy(button) {
  const done = await write(button.dataset.copy);
  const label = button.querySelector("span");
  label.textContent = status.textContent = done ? words.copied : words.not_copied;
  if (done) button.querySelector("svg").replaceWith(icon("done"));
  setTimeout(() => {
    label.textContent = words.copy;
    status.textContent = "";
    button.querySelector("svg").replaceWith(icon("copy"));
  }, 2000);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text); // the clipboard API needs https or localhost
  }
}

function writeBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = event.submitter?.value;
  const before = items.length;
  send(chosen || input.value);
  if (!chosen && items.length > before) {
    input.value = "";
    grow();
  }
  focusInput();
});
input.addEventListener("input", grow);
input.addEventListener("keydown", (event) => {
  // While a Hangul syllable is being composed, Enter belongs to the input method (229 is Safari's sign of it).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form.requestSubmit();
});
log.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.copy !== undefined) copy(button);
  if (button?.dataset.retry !== undefined) retry(button.closest("article"));
});
fresh.addEventListener("click", startAgain);

// ---- Start

if (settings.exchange) items.push({ question: settings.exchange.message }, { answer: settings.exchange.answer });
if (items.at(-1)?.question !== undefined) items.push({ trouble: { code: "interrupted" } });
history.replaceState(null, "", settings.home);
if (items.length) redraw();
