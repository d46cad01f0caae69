// What the page holds: the bytes of results/results.json, packed, and how a text of it is shown.
const MOST = 256 * 1024 * 1024;
const decode = (text) => {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) bytes[at] = letters.charCodeAt(at);
  return bytes;
};
const heldAs = (id) => JSON.parse(document.getElementById(id).textContent);
const unpacked = async ({ packed, size }) => {
  if (!(size <= MOST)) throw new Error("it is larger than a page may unpack");
  const bytes = new Uint8Array(size);
  const reader = new Blob([decode(packed)]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  let filled = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    if (filled + next.value.length > size) throw new Error("it is longer than it says");
    bytes.set(next.value, filled);
    filled += next.value.length;
  }
  if (filled !== size) throw new Error("it is shorter than it says");
  return bytes;
};
const kindOf = (result) => (result.verdict === "fail" && result.waiver ? "waived" : result.verdict);
const keyOf = (policy, resource, part) => JSON.stringify([policy, resource, part]);

// A character that cannot be seen is written as an escape in a mark, as everywhere on the page.
const BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}";
const UNSEEN = new RegExp(`(?:[\\p{C}\\p{Zl}\\p{Zp}${BLANK}]|(?! )\\p{Zs})+`, "gu");
const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const escaped = (text) =>
  [...text].map((letter) => {
    const code = letter.codePointAt(0);
    const hex = code.toString(16);
    return NAMED[letter] ?? (code < 256 ? `\\x${hex.padStart(2, "0")}` : code < 65536 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`);
  }).join("");
const visible = (text) => text.replace(UNSEEN, escaped);
const unescaped = (text) =>
  text.replace(/\\(?:x(..)|u(....)|U(.{8})|([nrt]))/g, (_, two, four, eight, letter) =>
    letter ? { n: "\n", r: "\r", t: "\t" }[letter] : String.fromCodePoint(parseInt(two ?? four ?? eight, 16)));
// The text that was written into an element: what cannot be seen stands in a mark.
const written = (element) =>
  [...((element?.matches("bdi") ? element : element?.querySelector("bdi"))?.childNodes ?? [])]
    .map((node) => (node.nodeName === "MARK" ? unescaped(node.textContent) : node.textContent))
    .join("");
// The rows that stand on the page, by key: policy, resource and part.
const rowsShown = () => {
  const found = new Map();
  for (const row of document.querySelectorAll("[data-row]")) {
    const [name, part] = row.querySelectorAll("th b");
    const place = row.closest("article") ?? row.closest("details");
    const policy = written(place.querySelector(".ref code"));
    found.set(keyOf(policy, written(row.querySelector(".id") ?? name), written(part)), { row, policy });
  }
  return found;
};
