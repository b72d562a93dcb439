// Shows the newest state of the page when the server says that something has changed.
"use strict";
const status = document.getElementById("live-state");
const source = new EventSource(document.currentScript.dataset.events);
let busy = false;
let again = false;

// Whether the reader has selected text, to copy it.
function selecting(live) {
  const selection = getSelection();
  return !selection.isCollapsed && live.contains(selection.anchorNode);
}

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
      const next = page.getElementById("live");
      if (next && next.innerHTML !== live.innerHTML && !selecting(live)) {
        const focused = live.contains(document.activeElement) ? document.activeElement.id : null;
        live.replaceWith(document.adoptNode(next));
        // The job may have left the list: the focus then goes to the heading, not out of the page.
        if (focused !== null) {
          const element = document.getElementById(focused) ?? document.getElementById("jobs");
          element?.focus({ preventScroll: true });
        }
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
