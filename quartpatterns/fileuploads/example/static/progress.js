// One bar shows what the browser has sent, the other one what the server has received.
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

  request.upload.addEventListener("progress", (event) => show(sent, event.loaded, event.total));
  request.addEventListener("load", () => showResult(request));
  request.addEventListener("error", () => showText("The connection is lost. Nothing was saved."));
  request.addEventListener("abort", () => showText("Cancelled. Nothing was saved."));
  request.addEventListener("loadend", () => {
    cancel.disabled = true;
    cancel.removeEventListener("click", stop);
  });
  events.addEventListener("message", (event) => {
    const state = JSON.parse(event.data);
    show(received, state.received, state.total);
    if (state.status === "done" || state.status === "failed") events.close();
  });
  events.addEventListener("error", () => events.close());

  cancel.disabled = false;
  cancel.addEventListener("click", stop);
  showText("");
  show(sent, 0, 1);
  show(received, 0, 1);
  request.open("POST", `${form.action}?upload=${id}`);
  request.send(new FormData(form));
});

// randomUUID is available only over HTTPS.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function show(bar, value, total) {
  bar.max = total || 1;
  bar.value = value;
}

function showResult(request) {
  if (request.status !== 200) {
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    showText(page.querySelector("p")?.textContent ?? `The server responded with ${request.status}.`);
    return;
  }
  const file = JSON.parse(request.responseText);
  const link = document.createElement("a");
  link.href = file.url;
  link.textContent = file.name;
  result.replaceChildren(link, ` has ${file.size.toLocaleString()} bytes.`);
}

function showText(text) {
  result.textContent = text;
}
