// What the pages can do in addition with JavaScript. Without it, every page works.
"use strict";

// Copy a text. The button is hidden in the page, because it does nothing without JavaScript.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

// Open or close all sections.
for (const place of document.querySelectorAll("[data-fold][hidden]")) {
  place.hidden = false;
  place.addEventListener("click", (event) => {
    const action = event.target.dataset.fold;
    if (!action) return;
    for (const section of document.querySelectorAll("details.section")) {
      section.open = action === "open";
    }
  });
}

// Open the section to which a link leads.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const section = target?.closest("details");
  if (section && !section.open) {
    section.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", openTarget);
openTarget();

// Show what a search finds while its words are typed: the server answers as it does for the form.
for (const form of document.querySelectorAll("form[data-live]")) {
  const found = document.getElementById(form.dataset.live);
  let last = null;
  let timer;

  async function show() {
    const url = new URL(form.action);
    url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    url.hash = "";
    last?.abort();
    last = new AbortController();
    try {
      const response = await fetch(url, { signal: last.signal });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      found.replaceChildren(...page.getElementById(found.id).childNodes);
      history.replaceState(null, "", url);
    } catch (error) {
      if (error.name !== "AbortError") form.submit();
    }
  }
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, 120);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    show();
  });
}

// Send a form when another option is selected.
for (const form of document.querySelectorAll("form[data-submit]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
