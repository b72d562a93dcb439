// Shows the progress of runs as it happens. Without JavaScript the pages reload themselves.
"use strict";

const options = document.currentScript.dataset;

function showProgress(progress) {
  const element = document.querySelector(`[data-run="${progress.id}"]`);
  if (!element) return;
  const bar = element.querySelector("progress");
  const count = element.querySelector("[data-part=count]");
  if (progress.total) {
    bar.max = progress.total;
    bar.value = progress.done;
    count.textContent = `${progress.done} of ${progress.total}`;
  }
  element.querySelector("[data-part=line]").textContent = progress.line || "";
}

// Replaces a part of the page by what the server has now. The focus stays where it was.
async function reload(selector) {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const old = document.querySelector(selector), fresh = page.querySelector(selector);
  if (!old || !fresh) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const address = focused && (focused.getAttribute("href") || focused.form?.getAttribute("action"));
  old.replaceWith(document.adoptNode(fresh));
  if (address) {
    const again = [...fresh.querySelectorAll("a, button")].find(
      (each) => address === (each.getAttribute("href") || each.form?.getAttribute("action")));
    (again || document.querySelector("main")).focus({ preventScroll: true });
  }
}

let wanted = 0;

// One load at a time: several changes at once need one.
async function reloadSoon(selector) {
  wanted += 1;
  if (wanted > 1) return;
  do {
    wanted = 1;
    await reload(selector).catch(() => {});
  } while (wanted > 1);
  wanted = 0;
}

if (options.runEvents) {
  const source = new EventSource(options.runEvents);
  let state = null;
  source.addEventListener("progress", (event) => {
    const progress = JSON.parse(event.data);
    showProgress(progress);
    if (progress.state) {
      if (state && state !== progress.state) reloadSoon("main");
      state = progress.state;
    }
  });
  source.addEventListener("end", () => {
    source.close();
    reloadSoon("main");
  });
  addEventListener("pagehide", () => source.close());
}

if (options.queueEvents) {
  const source = new EventSource(options.queueEvents);
  source.addEventListener("progress", (event) => showProgress(JSON.parse(event.data)));
  source.addEventListener("state", () => reloadSoon("#live"));
  source.addEventListener("open", () => reloadSoon("#live"));
  addEventListener("pagehide", () => source.close());
}
