// What every page has: theme, dialogs, menus, toasts, ages, and the CSRF token on every htmx or fetch request.

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
const skewMs = Number(meta("server-ms")) - Date.now();

export const csrf = () => meta("csrf");
/** Milliseconds now as the server counts them: a desk whose clock is wrong still shows right ages. */
export const serverNow = () => Date.now() + skewMs;
export const language = document.documentElement.lang;

/** fetch with the session's CSRF token; a refusal becomes an Error that carries its remedy. */
export async function request(url, options = {}) {
  const headers = { Accept: "application/json", "X-CSRFToken": csrf(), ...options.headers };
  const answer = await fetch(url, { credentials: "same-origin", ...options, headers });
  if (answer.ok || answer.status === 304) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail || problem.title || answer.statusText), { status: answer.status, problem });
}

export function announce(text) {
  const live = document.getElementById("announcer");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

/** A short message at the edge of the screen; tone: green, orange, red or nothing. */
export function toast(text, tone = "", lastsMs = 6000) {
  const box = document.getElementById("toasts");
  const line = document.createElement("div");
  line.className = `toast ${tone}`;
  const words = document.createElement("div");
  words.className = "grow";
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "link-btn";
  close.textContent = box.dataset.dismiss;
  close.addEventListener("click", () => line.remove());
  line.append(words, close);
  box.append(line);
  announce(text);
  if (lastsMs) setTimeout(() => line.remove(), lastsMs);
}

export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
  return dialog;
}

/** Ask before something that cannot be taken back; resolves to true or false. */
export function confirmed(text) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function switchTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = document.documentElement.dataset.theme || system;
  const next = now === "dark" ? "light" : "dark";
  // Choosing what the system has anyway means: follow the system again.
  if (next === system) {
    localStorage.removeItem("theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("theme", next);
    document.documentElement.dataset.theme = next;
  }
  showTheme();
  document.dispatchEvent(new CustomEvent("themechange"));
}

function showTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  for (const use of document.querySelectorAll("[data-theme-switch] use")) {
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, dark ? "#sun" : "#moon"));
  }
}

const relative = new Intl.RelativeTimeFormat(language, { numeric: "always", style: "narrow" });
function age(ms) {
  const s = Math.max(0, Math.round((serverNow() - ms) / 1000));
  if (s < 60) return relative.format(-s, "second");
  if (s < 3600) return relative.format(-Math.floor(s / 60), "minute");
  if (s < 172800) return relative.format(-Math.floor(s / 3600), "hour");
  return relative.format(-Math.floor(s / 86400), "day");
}

export function freshenAges(root = document) {
  for (const each of root.querySelectorAll("time[data-since]")) {
    const text = age(Number(each.dataset.since));
    if (each.textContent !== text) each.textContent = text;
  }
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}

const clicks = {
  "[data-theme-switch]": () => switchTheme(),
  "[data-open]": (target) => openDialog(target.dataset.open),
  "[data-close]": (target) => target.closest("dialog")?.close(),
  "[data-back]": () => history.back(),
  "[data-print]": () => print(),
  "[data-copy]": async (target) => {
    const from = document.getElementById(target.dataset.copy);
    await navigator.clipboard.writeText(from ? from.textContent.trim() : target.dataset.copy);
    toast(target.dataset.copied || "✓", "green", 2500);
  },
};

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("details.menu"));
  for (const [selector, act] of Object.entries(clicks)) {
    const target = event.target.closest(selector);
    if (target) act(target);
  }
  // A click on the backdrop closes a sheet or a dialog that holds no half-filled form.
  if (event.target instanceof HTMLDialogElement && !event.target.querySelector("form:not([method=dialog]) input:not([type=hidden])")) {
    event.target.close();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const text = event.submitter?.dataset.confirm || form.dataset.confirm;
  if (!text || form.dataset.agreed) return;
  event.preventDefault();
  event.stopPropagation();
  const submitter = event.submitter;
  if (await confirmed(text)) {
    form.dataset.agreed = "1";
    form.requestSubmit(submitter);
    delete form.dataset.agreed;
  }
}, true);

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-autosubmit], [data-autosubmit] *")) event.target.form?.requestSubmit();
});

document.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRFToken"] = csrf(); });
document.addEventListener("htmx:afterSwap", (event) => freshenAges(event.target));
document.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value, event.detail.tone));
document.addEventListener("htmx:sendError", () => toast(document.getElementById("toasts").dataset.failed, "red"));
document.addEventListener("htmx:responseError", (event) => {
  let text = "";
  try { text = JSON.parse(event.detail.xhr.responseText).detail; } catch { /* a page, not a problem: the general sentence follows */ }
  toast(text || document.getElementById("toasts").dataset.failed, "red");
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  showTheme();
  document.dispatchEvent(new CustomEvent("themechange"));
});
showTheme();
freshenAges();
setInterval(freshenAges, 1000);
