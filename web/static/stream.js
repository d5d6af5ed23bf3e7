// Reads an answer that comes as server-sent events: hands on each partial one, and gives the last.

export async function readEvents(body, grow) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the stream broke off");
    held += value;
    for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
      const [name, data] = parse(held.slice(0, end));
      held = held.slice(end + 2);
      if (name === "partial") grow(data);
      if (name === "answer") return data;
      if (name === "error") return {};
    }
  }
}

function parse(event) {
  const fields = event.split("\n").map((line) => line.split(/: ?(.*)/s));
  const field = (name) => fields.find(([key]) => key === name)?.[1] ?? "";
  return [field("event"), field("data") ? JSON.parse(field("data")) : null];
}
