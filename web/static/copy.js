// Copies the text of an answer, and says so.

import { icon } from "./draw.js";

export async function copy(button, words, status) {
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
