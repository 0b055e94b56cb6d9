// Keyboard for the inbox: J and K move, 1, 2 and 3 press the verdict buttons of the item in hand.

const items = [...document.querySelectorAll("[data-item]")];
let at = Math.max(0, items.findIndex((item) => `#${item.id}` === location.hash));

function hold(index) {
  if (!items.length) return;
  at = Math.max(0, Math.min(items.length - 1, index));
  items[at].focus();
  items[at].scrollIntoView({ block: "nearest" });
}

const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select");

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || typing(event.target)) return;
  const held = event.target.closest("[data-item]");
  if (held) at = items.indexOf(held);
  if (event.key === "j") hold(held ? at + 1 : at);
  else if (event.key === "k") hold(at - 1);
  else if (held) held.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
});

if (location.hash) hold(at);
