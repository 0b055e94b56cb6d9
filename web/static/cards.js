// Thousands of cards come as one growing ZIP: says how many of its files are there already. Without this script the
// browser saves it as it comes.

const BEGIN = [0x50, 0x4b, 0x03, 0x04];
const NAME_AT = 30;
const NAME = [..."cards-"].map((letter) => letter.charCodeAt(0));
const HEAD = NAME_AT + NAME.length;

const form = document.querySelector("form[data-cards]");
form?.addEventListener("submit", (event) => {
  if (!form.dataset.cards) return;
  event.preventDefault();
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  save(form, document.getElementById("cards-progress")).finally(() => (button.disabled = false));
});

async function save(asked, box) {
  const [bar, words] = [box.querySelector("progress"), box.querySelector("[role=status]")];
  box.hidden = false;
  try {
    const answer = await fetch(asked.action, { method: "POST", body: new FormData(asked) });
    if (!answer.ok || !answer.headers.has("X-Files")) throw new Error(`HTTP ${answer.status}`);
    const total = Number(answer.headers.get("X-Files"));
    const parts = await read(answer.body.getReader(), (files) => {
      bar.value = (100 * files) / total;
      words.textContent = box.dataset.words.replace("{n}", files).replace("{all}", total);
    });
    if (parts.files !== total) throw new Error(`${parts.files} / ${total}`);
    keep(new Blob(parts.chunks, { type: "application/zip" }), /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1]);
    words.textContent = box.dataset.done;
  } catch (error) {
    words.textContent = `${box.dataset.failed} ${error.message}`;
  }
}

async function read(reader, told) {
  const found = { chunks: [], files: 0 };
  let tail = new Uint8Array(0);
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    found.chunks.push(new Blob([value])); // the browser keeps blobs where it likes, not in this page's memory
    const joined = new Uint8Array(tail.length + value.length);
    joined.set(tail);
    joined.set(value, tail.length);
    found.files += begun(joined);
    tail = joined.slice(Math.max(0, joined.length - HEAD + 1));
    told(found.files);
  }
  return found;
}

/** How many files begin in these bytes. */
function begun(bytes) {
  const is = (at, wanted) => wanted.every((byte, place) => bytes[at + place] === byte);
  let count = 0;
  for (let at = bytes.indexOf(BEGIN[0]); at >= 0 && at + HEAD <= bytes.length; at = bytes.indexOf(BEGIN[0], at + 1)) {
    if (is(at, BEGIN) && is(at + NAME_AT, NAME)) count += 1;
  }
  return count;
}

function keep(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
