// The tray: one box ticks every report on the page.

for (const all of document.querySelectorAll("[data-check-all]")) {
  const boxes = () => document.querySelectorAll(`input[type=checkbox][name="${CSS.escape(all.dataset.checkAll)}"]`);
  all.addEventListener("change", () => boxes().forEach((box) => (box.checked = all.checked)));
}
