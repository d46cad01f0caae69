// Checks what the page embeds: the signature over the run, the digest of its record, and that what is shown is in it.
// Whoever can edit the page can edit this: it says "consistent", never "trusted".
const told = document.getElementById("checked");
const sha256 = async (data) =>
  [...new Uint8Array(await crypto.subtle.digest("SHA-256", data))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const join = (first, second) => {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
};
// WebCrypto wants r and s side by side; a signature file has them as two DER integers.
const sideBySide = (der) => {
  const integer = (at) => der.slice(at + 2, at + 2 + der[at + 1]);
  const raw = new Uint8Array(64);
  const r = integer(2), s = integer(4 + der[3]);
  [r, s].forEach((value, place) => {
    const digits = value[0] === 0 ? value.slice(1) : value;
    raw.set(digits, 32 * (place + 1) - digits.length);
  });
  return raw;
};
const verified = async ({ payloadType, signatures, algorithm }, payload, spki) => {
  const head = new TextEncoder().encode(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `);
  const signature = decode(signatures[0].sig);
  const curve = algorithm === "ES256";
  const kind = curve ? { name: "ECDSA", namedCurve: "P-256" } : { name: "RSA-PSS", hash: "SHA-256" };
  const how = curve ? { name: "ECDSA", hash: "SHA-256" } : { name: "RSA-PSS", saltLength: 32 };
  const key = await crypto.subtle.importKey("spki", spki, kind, false, ["verify"]);
  return crypto.subtle.verify(how, key, curve ? sideBySide(signature) : signature, join(head, payload));
};
// Returns what the page shows otherwise than the record; nothing if all is the same.
const differing = (record, shown) => {
  const counts = {};
  const results = new Map();
  for (const result of record.results) {
    const kind = kindOf(result);
    counts[kind] = (counts[kind] ?? 0) + 1;
    const key = keyOf(result.policy, result.resource, result.part);
    if (shown.has(key)) results.set(key, result);
  }
  for (const cell of document.querySelectorAll(".counts th")) {
    const kind = cell.classList[1];
    const number = cell.nextElementSibling.firstChild.textContent.replaceAll(",", "");
    if (kind !== "notObserved" && number !== String(counts[kind] ?? 0)) return `the number of ${kind}`;
  }
  for (const [key, { row, policy }] of shown) {
    const result = results.get(key);
    if (!result) return `a row of ${policy}`;
    // What all rows of a table are expected to be stands once, in its caption.
    const cells = [...row.rows[1].cells].map(written);
    if (cells.length === 2) cells.unshift(written(row.closest("table").caption));
    const wanted = [result.expected, result.observed, result.reason];
    if (wanted.some((text, at) => cells[at] !== text) || row.closest("section").id !== kindOf(result)) return `a row of ${policy}`;
  }
  return document.querySelectorAll("[data-row]").length === shown.size ? "" : "a row twice";
};
const alarm = (why) => {
  document.body.classList.add("broken");
  const banner = document.createElement("p");
  banner.className = "alarm";
  banner.setAttribute("role", "alert");
  banner.textContent = `This page was changed, or is damaged: ${why}. Its results are hidden. Ask for the run directory and verify that.`;
  document.body.prepend(banner);
  told.textContent = "Checked in this browser: it does NOT hold.";
};
// Returns whether nothing speaks against the page; digest is that of the bytes of the record, as it is being made.
const check = async (digest, record, shown) => {
  const held = heldAs("signed");
  if (!digest) {
    told.textContent = "Not checked: this browser cannot, in a page opened like this. Use the commands below.";
    return true;
  }
  const spki = decode(held.key);
  const problem = async () => {
    if ((await sha256(spki)) !== document.getElementById("key").textContent) return "the fingerprint shown is not that of the key in it";
    const payload = await unpacked(held);
    if (!(await verified(held, payload, spki))) return "the signature does not verify";
    const statement = JSON.parse(new TextDecoder().decode(payload));
    const subject = statement.subject.find((found) => found.name === "results/results.json");
    if ((await digest) !== subject.digest.sha256) return "the record in it is not the signed one";
    const wrong = differing(record, shown);
    return wrong && `it shows ${wrong} otherwise than the signed record`;
  };
  const why = await problem();
  if (why) {
    alarm(why);
    return false;
  }
  told.textContent = `Checked in this browser: signature, record, every count and ${record.results.length.toLocaleString("en")} rows are consistent with this key. Not checked: explanations, map, and whether the key is infosec's.`;
  return true;
};
