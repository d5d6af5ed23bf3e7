// Draws messages. Whatever was stored or typed becomes text nodes only: nothing here parses HTML.

const LINK = /^(https?:\/\/|mailto:)/i;
const ADDRESS_IN_TEXT = /https?:\/\/[\w\-.~:/?#@!$&*+,;=%()]*[\w\-~/#@&=%]/g;
const HANGUL = /[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]/;
const PROBABILITIES = new Set(["on_topic", "probability", "right", "answer_from", "refuse_below", "risk", "topic_probability"]);
const FIRST = ["followed", "on_topic", "rule", "legs", "matched", "margin"]; // then what else the trace holds
const LAST = ["lang", "encoder", "retrieval", "generation", "exchange"];
const THUMBS = ["up", "down"];
const MOST_CHOICES = 3;
const RELATED = 0.3; // below this probability of being on topic, a suggestion would only puzzle

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export const languageOf = (text) => (HANGUL.test(text) ? "ko" : "en");
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const unseen = (text) => element("h2", { class: "unseen" }, text);
const list = (value) => (Array.isArray(value) ? value : []);

// 0 and 100 only where they are exact: "100 %" would promise too much.
export function percent(probability, words) {
  const whole = Math.round(probability * 100);
  const shown = probability <= 0 || probability >= 1 ? whole : Math.min(99, Math.max(1, whole));
  return words.percent.replace("{n}", shown);
}

function outside(url, ...children) {
  const attributes = { href: url, rel: "noopener noreferrer", target: "_blank", "aria-describedby": "new-tab" };
  return element("a", attributes, ...children);
}

function paragraph(text, mark = "") {
  const node = element("p", { class: "text", lang: languageOf(text) });
  const at = mark ? text.indexOf(mark) : -1;
  if (at < 0) return linked(node, text);
  linked(node, text.slice(0, at)).append(linked(element("mark"), mark));
  return linked(node, text.slice(at + mark.length));
}

// Add a text to a node, its addresses as links.
function linked(node, text) {
  let rest = 0;
  for (const { 0: url, index } of text.matchAll(ADDRESS_IN_TEXT)) {
    node.append(text.slice(rest, index), outside(url, url));
    rest = index + url.length;
  }
  node.append(text.slice(rest));
  return node;
}

// The text; on a narrow page the one sentence of a long answer first, which opens it; whom an upset visitor can reach.
function told({ text, trace }, words) {
  const [whole, short, mark, person] = [text, trace?.short, trace?.highlight, trace?.person].map((one) => String(one ?? ""));
  const brief = short && (trace.short_by || whole.includes(short)) ? folded(short, trace.short_by, words) : null;
  const offer = person ? linked(element("p", { class: "next", lang: languageOf(person) }), person) : null;
  return [brief, paragraph(whole, mark), offer];
}

// The label goes with the short form: once the details are open, what stands there was stored.
function folded(short, writer, words) {
  const gist = element("span", { class: "gist", lang: languageOf(short) }, short);
  const label = { class: "written", lang: languageOf(words.generated) };
  if (writer) gist.append(" ", element("small", label, words.generated));
  const ways = ["more", "less"].map((name) => element("span", { class: name }, words[name]));
  return element("details", { class: "brief" }, element("summary", {}, gist, " ", ...ways));
}

export function drawQuestion(text, words) {
  const said = element("p", { class: "text", lang: languageOf(text) }, text);
  return element("article", { class: "message mine" }, unseen(words.you), said);
}

// While an answer grows: what is there, and the button that stops it.
export function drawGrowing(answer, settings) {
  const shown = answer ? drawAnswer(answer, settings) : drawWaiting(settings.words);
  const stop = element("button", { type: "button", class: "quiet", "data-stop": "" }, settings.words.stop);
  shown.querySelector(".tools")?.remove();
  shown.querySelector(".why")?.remove();
  if (answer) shown.classList.add("growing");
  shown.append(stop);
  return shown;
}

export function drawWaiting(words) {
  const dots = element("span", { class: "dots", "aria-hidden": "true" }, ...["", "", ""].map(() => element("i")));
  const told = element("span", { class: "unseen" }, `${words.waiting}…`);
  return element("article", { class: "message theirs waiting" }, element("p", { class: "text" }, told, dots));
}

export function drawTrouble(trouble, words, lang) {
  const sentence = words[trouble.code] ?? (lang === "ko" ? trouble.message_ko : trouble.message) ?? words.broken;
  const said = element("p", { class: "text trouble" }, icon("alert"), element("span", {}, sentence));
  const retry = element("button", { type: "button", class: "quiet", "data-retry": "" }, icon("retry"), words.retry);
  return element("article", { class: "message theirs" }, unseen(words.bot), said, trouble.final ? null : retry);
}

export function drawAnswer(answer, { words, bands }, vote = "") {
  const given = answer.decision === "answer" || answer.decision === "generated";
  const said = element("div", { class: "bubble" }, ...told(answer, words), next(answer, words));
  const tools = [given ? copying(answer.text, words) : null, answer.trace?.exchange ? thumbs(vote, words) : null];
  const parts = given ? facts(answer, words, bands) : [];
  if (tools.some(Boolean)) parts.push(element("div", { class: "tools" }, ...tools));
  if (parts.length) said.append(element("div", { class: "footing" }, ...parts));
  return element("article", { class: "message theirs" }, unseen(words.bot), said, why(answer, words));
}

// What to do next: a choice to make, or, where there is no answer, the closest questions that have some relation.
function next(answer, words) {
  const unrelated = answer.decision === "abstain" && answer.trace?.on_topic < RELATED;
  if ((answer.decision !== "choose" && answer.decision !== "abstain") || unrelated) return null;
  const offered = list(answer.candidates).slice(0, MOST_CHOICES);
  if (!offered.length) return null;
  const choices = element("ul", { class: "choices", "aria-label": words.choices }, ...offered.map(choice));
  if (answer.decision === "choose") return choices;
  return element("div", { class: "closest" }, element("p", { class: "next" }, words.closest_questions), choices);
}

function choice({ id, question }) {
  const attributes = { class: "choice", form: "composer", name: "message", value: question, "data-row": id ?? "" };
  const text = element("span", { lang: languageOf(question) }, question);
  return element("li", {}, element("button", attributes, text, icon("go")));
}

function facts(answer, words, bands) {
  const [, band] = bands.find(([least]) => answer.confidence >= least) ?? bands.at(-1);
  const bars = element("span", { class: `level ${band}`, "aria-hidden": "true" }, ...[1, 2, 3].map(() => element("i")));
  const sure = element("p", { class: "sure" }, bars, `${words[band]} · ${percent(answer.confidence, words)}`);
  const written = answer.decision === "generated" ? element("p", { class: "written" }, words.generated) : null;
  if (written) return [written, cited(list(answer.sources), words)];
  return [sure, ...list(answer.sources).map((one) => source(one, words))];
}

function copying(text, words) {
  const attributes = { type: "button", class: "quiet", "data-copy": text };
  return element("button", attributes, icon("copy"), element("span", {}, words.copy));
}

function thumbs(vote, words) {
  const buttons = THUMBS.map((name) => {
    const label = words[`thumb_${name}`];
    const attributes = { type: "button", class: "thumb", "data-vote": name, "aria-label": label, title: label };
    return element("button", { ...attributes, "aria-pressed": String(name === vote) }, icon(name));
  });
  return element("div", { class: "thumbs", role: "group", "aria-label": words.thumbs }, ...buttons);
}

// What a written answer says is cited by number, so every source is named, also one without an address.
function cited(sources, words) {
  const named = sources.map(({ url, question }) => {
    const text = element("span", { lang: languageOf(question ?? "") }, question ?? "");
    return element("li", {}, LINK.test(url ?? "") ? outside(url, text) : text);
  });
  return element("ol", { class: "sources", "aria-label": words.sources }, ...named);
}

function source({ url, question }, words) {
  if (!LINK.test(url ?? "")) return null;
  const shown = element("p", { class: "source" }, outside(url, `${words.source}: ${host(url)}`, icon("out")));
  shown.title = question ?? "";
  return shown;
}

function host(url) {
  try {
    return new URL(url).hostname.replace(/^www\./, "") || url.replace(LINK, "");
  } catch {
    return url.replace(LINK, "");
  }
}

// ---- Why this answer?

function why(answer, words) {
  const trace = answer.trace ?? {};
  const candidates = list(answer.candidates);
  const rows = candidates.length ? [fact(words.closest, candidates[0].question, languageOf(candidates[0].question))] : [];
  if (candidates.length && isNumber(answer.confidence)) rows.push(fact(words.confidence, percent(answer.confidence, words)));
  const others = Object.keys(trace).filter((name) => !FIRST.includes(name) && !LAST.includes(name));
  for (const name of [...FIRST, ...others, ...LAST]) {
    if ((trace[name] ?? "") !== "") rows.push(fact(words[name] ?? name, shown(name, trace[name], words)));
  }
  const compared = candidates.length ? element("h3", {}, words.candidates) : null;
  const drawn = element("ol", { class: "compared" }, ...candidates.map((one) => comparison(one, words)));
  const told = element("dl", {}, ...rows);
  return element("details", { class: "why" }, element("summary", {}, words.why), told, compared, compared && drawn);
}

function fact(name, value, lang = languageOf(value)) {
  return element("div", {}, element("dt", {}, name), element("dd", { lang }, value));
}

function shown(name, value, words) {
  if (typeof value === "boolean") return value ? words.yes : words.no;
  if (isNumber(value)) return PROBABILITIES.has(name) ? percent(value, words) : String(Math.round(value * 1000) / 1000);
  if (name === "entities") return list(value).map((one) => `${one.text} (${one.label})`).join(", ") || "–";
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join(", ") || "–";
  if (typeof value === "object") return JSON.stringify(value).slice(0, 300);
  return words[`${name}_${value}`] ?? String(value);
}

function comparison(candidate, words) {
  const { question, score, rank_score: rank, probability } = candidate;
  const figures = [isNumber(probability) ? `${words.probability} ${percent(probability, words)}` : null];
  if (isNumber(score)) figures.push(`${words.cosine} ${score.toFixed(2)}`);
  if (isNumber(rank) && rank !== score) figures.push(`${words.rank} ${rank.toFixed(2)}`);
  const length = isNumber(score) ? Math.min(1, Math.max(0, score)) : 0;
  const bar = element("span", { class: "share", "aria-hidden": "true" }, element("i"));
  bar.firstChild.style.width = `${length * 100}%`;
  const line = element("p", { class: "figures" }, bar, figures.filter(Boolean).join(" · "));
  return element("li", {}, element("span", { lang: languageOf(question ?? "") }, question ?? ""), line);
}
