// Where a conversation is kept: in the tab's sessionStorage.
//
// A browser that keeps nothing for frames of other sites (private windows) refuses that to the widget. Then the page
// around the frame keeps it, in its own tab's storage: it hands it down in the frame's name.

export function recall({ memory, host }) {
  try {
    return sessionStorage.getItem(memory);
  } catch {
    return host ? window.name : null;
  }
}

export function keep({ memory, host }, text) {
  try {
    sessionStorage.setItem(memory, text);
  } catch {
    // full, or switched off: without a page around it, the conversation lasts until this one is left
    if (host && parent !== window) parent.postMessage({ mundap: "keep", text }, host);
  }
}
