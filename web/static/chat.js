// The conversation: kept in this tab's sessionStorage, asked over one JSON address, drawn by draw.js.

import { copy } from "./copy.js";
import { drawAnswer, drawGrowing, drawQuestion, drawTrouble, drawWaiting } from "./draw.js";
import { keep, recall } from "./memory.js";
import { readEvents } from "./stream.js";

const settings = JSON.parse(document.getElementById("settings").textContent);
const { words, lang, limit } = settings;
const [form, input, log, welcome, fresh, count, status] = ["composer", "message", "log", "welcome", "new", "count", "status"].map(
  (id) => document.getElementById(id),
);
const MOST_ITEMS = 80;
const PATIENCE = 60_000; // milliseconds

let { session, items } = begin();
let waiting = null; // the AbortController of the question under way
let noted = Promise.resolve(); // votes are sent one after the other, so that the last one counts

// ---- Memory

function newSession() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function begin() {
  try {
    const kept = JSON.parse(recall(settings));
    if (Array.isArray(kept.items) && typeof kept.session === "string") return kept;
  } catch {
    // damaged: start afresh
  }
  return { session: newSession(), items: [] };
}

function remember() {
  items = items.slice(-MOST_ITEMS);
  keep(settings, JSON.stringify({ session, items }));
}

// ---- Drawing

function draw(item) {
  if (item.question !== undefined) return drawQuestion(item.question, words);
  if (item.trouble) return drawTrouble(item.trouble, words, lang);
  return drawAnswer(item.answer, settings, item.vote);
}

function redraw() {
  log.replaceChildren(...items.map(draw));
  arrange();
}

function add(item) {
  items.push(item);
  remember();
  log.append(draw(item));
  while (log.childElementCount > items.length) log.firstElementChild.remove(); // forgotten, so no longer shown
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
  let placeholder = settings.streams ? drawGrowing(null, settings) : drawWaiting(words);
  let partial = null;
  const grow = (answer) => {
    if (waiting !== controller) return;
    partial = answer;
    const drawn = drawGrowing(answer, settings);
    placeholder.replaceWith(drawn);
    placeholder = drawn;
  };
  form.setAttribute("aria-busy", "true");
  log.append(placeholder);
  arrange();
  const lost = () => (partial ? { answer: partial } : { trouble: { code: controller.signal.reason ?? "offline" } });
  const reply = await post(message, controller.signal, grow).catch(lost);
  clearTimeout(patience);
  placeholder.remove();
  if (waiting !== controller) return; // a new conversation began meanwhile
  waiting = null;
  form.removeAttribute("aria-busy");
  add(reply);
}

function call(address, body, { accept = "application/json", ...more } = {}) {
  const headers = { "Content-Type": "application/json", Accept: accept, ...settings.headers };
  return fetch(address, { method: "POST", headers, body: JSON.stringify(body), ...more });
}

async function post(message, signal, grow) {
  const accept = settings.streams ? "text/event-stream, application/json;q=0.5" : "application/json";
  const response = await call(settings.ask, { message, session, channel: settings.channel }, { signal, accept });
  const growing = response.headers.get("Content-Type")?.startsWith("text/event-stream");
  const body = growing ? await readEvents(response.body, grow) : await response.json().catch(() => ({}));
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

// ---- Thumbs and choices

const itemOf = (node) => items[[...log.children].indexOf(node.closest("article"))];

// "keepalive": what was clicked is written down even when the page is left at once.
async function note(item, what) {
  const response = await call(settings.vote, { exchange: item.answer.trace.exchange, ...what }, { keepalive: true });
  if (!response.ok) throw new Error(response.status);
}

function show(button, vote) {
  for (const thumb of button.parentElement.children) thumb.setAttribute("aria-pressed", thumb.dataset.vote === vote);
}

function thumb(button) {
  const item = itemOf(button);
  const before = item.vote ?? "";
  const vote = before === button.dataset.vote ? "" : button.dataset.vote;
  const keep = (kept, told) => {
    item.vote = kept;
    show(button, kept);
    remember();
    status.textContent = told;
  };
  keep(vote, vote ? words.thanks : words.taken_back);
  noted = noted.then(() => note(item, { vote })).catch(() => item.vote === vote && keep(before, words.not_noted));
}

function choose(button) {
  const item = button.closest("article") && itemOf(button);
  if (item?.answer?.trace?.exchange && button.dataset.row) note(item, { chosen: button.dataset.row }).catch(() => {});
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

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = event.submitter?.value;
  const before = items.length;
  if (chosen && !waiting) choose(event.submitter);
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
  if (button?.dataset.stop !== undefined) waiting?.abort("stopped");
  if (button?.dataset.copy !== undefined) copy(button, words, status);
  if (button?.dataset.vote !== undefined) thumb(button);
  if (button?.dataset.retry !== undefined) retry(button.closest("article"));
});
fresh.addEventListener("click", startAgain);

// ---- Start

if (settings.exchange) items.push({ question: settings.exchange.message }, { answer: settings.exchange.answer });
if (items.at(-1)?.question !== undefined) items.push({ trouble: { code: "interrupted" } });
if (settings.home) history.replaceState(null, "", settings.home);
if (items.length) redraw();
