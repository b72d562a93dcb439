// Shows the newest state of the page when the server says that something has changed.
"use strict";
const status = document.getElementById("live-state");
const source = new EventSource(document.currentScript.dataset.events);
let busy = false;
let again = false;

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const url = new URL(location.href);
    url.searchParams.delete("message");
    const response = await fetch(url, { headers: { Accept: "text/html" } });
    const text = await response.text();
    const live = document.getElementById("live");
    // Nothing moves under a reader who has opened a traceback.
    if (response.ok && !live.querySelector("details[open]")) {
      const page = new DOMParser().parseFromString(text, "text/html");
      const focused = document.activeElement?.id;
      const next = page.getElementById("live");
      if (next && next.innerHTML !== live.innerHTML) {
        live.replaceWith(document.adoptNode(next));
        if (focused) document.getElementById(focused)?.focus();
      }
    }
  } catch {
    // The event source notices by itself that the server is gone.
  } finally {
    busy = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

let first = true;
for (const name of ["status", "job", "gone"]) {
  source.addEventListener(name, (event) => {
    status.textContent = "live";
    if (!first || name !== "status") refresh();
    first = false;
    if (name === "gone" || (name === "job" && ["failed", "done", "revoked"].includes(JSON.parse(event.data).state))) {
      source.close();
      status.textContent = "ended";
    }
  });
}
source.addEventListener("unavailable", () => { status.textContent = "Redis is not available"; });
source.onerror = () => { status.textContent = "connecting again"; };
addEventListener("pagehide", () => source.close());
