// Shows the events of the feed at the top of the list, at most ten.
const list = document.querySelector("#feed");
const source = new EventSource(list.dataset.url);

source.addEventListener("message", (event) => {
  list.insertAdjacentHTML("afterbegin", event.data);
  list.querySelector("[data-empty]")?.remove();
  while (list.children.length > 10) list.lastElementChild.remove();
});
