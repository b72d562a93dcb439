// A front end in one file: client routes, the history, and one request to the API.
// All addresses are relative to the base of the index, which is where the application is mounted.
const view = document.getElementById("view");
const base = new URL(document.baseURI);

const pages = {
  "": () => "This page, and every other one of this application, is the same file of the server.",
  "settings/profile": () => "Reload this page: the server answers its address with the index.",
  heart: async () => {
    const response = await fetch(new URL("heartbeat", base));
    if (!response.ok) return `The server answered ${response.status}.`;
    const { status } = await response.json();
    return `The server is ${status}.`;
  },
};

async function show() {
  const route = location.pathname.slice(base.pathname.length).replace(/\/$/, "");
  const page = pages[route] ?? (() => `There is no page ${route}.`);
  for (const link of document.querySelectorAll("a[data-route]")) {
    const current = new URL(link.href).pathname === location.pathname;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const paragraph = document.createElement("p");
  paragraph.textContent = await page();
  view.replaceChildren(paragraph);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-route]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
});
addEventListener("popstate", show);
show();
