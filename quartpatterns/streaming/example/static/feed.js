// Shows each message once, also after the server was away.
const list = document.getElementById("events");
const state = document.getElementById("state");
const form = document.getElementById("publish");
let lastId = "";

function connect() {
  // The browser connects again by itself, and then says which event was the last one.
  const url = lastId ? `${list.dataset.url}?after=${encodeURIComponent(lastId)}` : list.dataset.url;
  const events = new EventSource(url);
  events.addEventListener("open", () => show("Connected"));
  events.addEventListener("message", add);
  events.addEventListener("lost", () => show("Connected; some messages are missing"));
  events.addEventListener("error", () => {
    show("The connection is lost; connecting again");
    // After an error page, such as that of a proxy, the browser gives up.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
}

function add(event) {
  lastId = event.lastEventId;
  const item = document.createElement("li");
  item.textContent = event.data;
  list.append(item);
}

function show(text) {
  state.textContent = text;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (!response.ok) throw new Error(response.statusText);
    form.reset();
    form.elements.text.focus();
  } catch {
    show("The message was not published; try again");
  }
});

connect();
