// "More" is a link to the next page; with JavaScript the list of that page takes the link's place.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-fragment]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const response = await fetch(link.dataset.fragment);
  if (response.ok) link.closest("li").outerHTML = await response.text();
  else location = link.href;
});
