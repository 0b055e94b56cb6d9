// The case page: choosing contacts, saving a status at once, printing with every meeting open, copying the itinerary.
import { announce, toast } from "./shell.js";

const picks = [...document.querySelectorAll("[data-pick]")];
const all = document.getElementById("pick-all");
const picked = document.getElementById("picked");
const send = document.getElementById("ask-send");

function count() {
  const chosen = picks.filter((each) => each.checked).length;
  picked.textContent = String(chosen);
  if (send) send.disabled = chosen === 0;
  if (all) all.checked = chosen === picks.length && chosen > 0;
}

all?.addEventListener("change", () => { for (const each of picks) each.checked = all.checked; count(); });
for (const each of picks) each.addEventListener("change", count);
count();

for (const select of document.querySelectorAll("[data-submit]")) {
  select.form.classList.add("auto");
  select.addEventListener("change", () => select.form.requestSubmit());
}

document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
window.addEventListener("beforeprint", () => { for (const each of document.querySelectorAll(".contacts details")) each.open = true; });

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).innerText;
    try {
      await navigator.clipboard.writeText(text);
      announce(button.innerText);
      toast(`✓ ${button.innerText}`, "green", 2000);
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    }
  });
}
