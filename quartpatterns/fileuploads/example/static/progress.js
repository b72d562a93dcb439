// The browser knows what it has sent, the server what has arrived: one bar each.
const form = document.getElementById("upload");
const cancel = document.getElementById("cancel");
const sent = document.getElementById("sent");
const received = document.getElementById("received");
const result = document.getElementById("result");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const id = newId();
  const request = new XMLHttpRequest();
  const events = new EventSource(`${form.action}/${id}`);
  const stop = () => request.abort();

  request.upload.addEventListener("progress", (told) => show(sent, told.loaded, told.total));
  request.addEventListener("load", () => tell(request));
  request.addEventListener("error", () => say("The connection is lost. Nothing was kept."));
  request.addEventListener("abort", () => say("Cancelled. Nothing was kept."));
  request.addEventListener("loadend", () => {
    cancel.disabled = true;
    cancel.removeEventListener("click", stop);
  });
  events.addEventListener("message", (told) => {
    const state = JSON.parse(told.data);
    show(received, state.received, state.total);
    if (state.status === "done" || state.status === "failed") events.close();
  });
  events.addEventListener("error", () => events.close());

  cancel.disabled = false;
  cancel.addEventListener("click", stop);
  say("");
  show(sent, 0, 1);
  show(received, 0, 1);
  request.open("POST", `${form.action}?upload=${id}`);
  request.send(new FormData(form));
});

// Not randomUUID, which browsers have only over HTTPS.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function show(bar, value, total) {
  bar.max = total || 1;
  bar.value = value;
}

function tell(request) {
  if (request.status !== 200) {
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    say(page.querySelector("p")?.textContent ?? `The server answers ${request.status}.`);
    return;
  }
  const file = JSON.parse(request.responseText);
  const link = document.createElement("a");
  link.href = file.url;
  link.textContent = file.name;
  result.replaceChildren(link, ` has ${file.size.toLocaleString()} bytes.`);
}

function say(text) {
  result.textContent = text;
}
