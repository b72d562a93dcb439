// What Furo's pages lack for keyboards and screen readers.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  // Code and tables that are wider than the page must be scrollable with the keyboard.
  const boxes = document.querySelectorAll("pre, .table-wrapper");
  const update = () => {
    for (const box of boxes) {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
      } else {
        box.removeAttribute("tabindex");
      }
    }
  };
  update();
  window.addEventListener("resize", update);
});
