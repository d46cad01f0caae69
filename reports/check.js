// Checks what the page embeds: the signature over the run, the digest of its record, and that what is shown is in it.
// Whoever can edit the page can edit this: it says "consistent", never "trusted".
(async () => {
  const told = document.getElementById("checked");
  const held = JSON.parse(document.getElementById("signed").textContent);
  const most = 512 * 1024 * 1024;
  const decode = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
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
  const verified = async (envelope, spki) => {
    const payload = decode(envelope.payload);
    const head = new TextEncoder().encode(`DSSEv1 ${envelope.payloadType.length} ${envelope.payloadType} ${payload.length} `);
    const signature = decode(envelope.signatures[0].sig);
    const curve = held.algorithm === "ES256";
    const kind = curve ? { name: "ECDSA", namedCurve: "P-256" } : { name: "RSA-PSS", hash: "SHA-256" };
    const how = curve ? { name: "ECDSA", hash: "SHA-256" } : { name: "RSA-PSS", saltLength: 32 };
    const key = await crypto.subtle.importKey("spki", spki, kind, false, ["verify"]);
    return crypto.subtle.verify(how, key, curve ? sideBySide(signature) : signature, join(head, payload));
  };
  const unpacked = async (packed) => {
    const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
    const parts = [];
    let size = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      size += next.value.length;
      if (size > most) throw new Error("the record is larger than a page may unpack");
      parts.push(next.value);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  };
  const kindOf = (result) => (result.verdict === "fail" && result.waiver ? "waived" : result.verdict);
  // The text that was written: what cannot be seen stands in a mark, as an escape.
  const escapes = { n: "\n", r: "\r", t: "\t" };
  const unescaped = (text) =>
    text.replace(/\\(?:x(..)|u(....)|U(.{8})|([nrt]))/g, (_, two, four, eight, letter) =>
      letter ? escapes[letter] : String.fromCodePoint(parseInt(two ?? four ?? eight, 16)));
  const written = (element) =>
    [...(element?.querySelector("bdi")?.childNodes ?? [])]
      .map((node) => (node.nodeName === "MARK" ? unescaped(node.textContent) : node.textContent))
      .join("");
  // Returns what the page shows otherwise than the record, and how many rows were compared.
  const compared = (record) => {
    const results = new Map(record.results.map((r) => [JSON.stringify([r.policy, r.resource, r.part]), r]));
    const counts = {};
    for (const result of record.results) counts[kindOf(result)] = (counts[kindOf(result)] ?? 0) + 1;
    for (const cell of document.querySelectorAll(".counts th")) {
      const kind = cell.classList[1];
      const shown = cell.nextElementSibling.firstChild.textContent.replaceAll(",", "");
      if (kind !== "notObserved" && shown !== String(counts[kind] ?? 0)) return { wrong: `the number of ${kind}`, rows: 0 };
    }
    let rows = 0;
    for (const row of document.querySelectorAll("[data-row]")) {
      const [name, part] = row.querySelectorAll("th b");
      const resource = written(row.querySelector(".id") ?? name);
      const place = row.closest("article") ?? row.closest("details");
      const policy = written(place.querySelector(".ref code"));
      const result = results.get(JSON.stringify([policy, resource, written(part)]));
      if (!result) return { wrong: `a row of ${policy}`, rows };
      const cells = [...row.rows[1].cells].map(written);
      const settled = row.rows[1].cells[0].classList.contains("mark");
      const wanted = settled ? ["", result.observed, result.reason] : [result.expected, result.observed, result.reason];
      const differs = wanted.some((text, at) => cells[at] !== text);
      const section = row.closest("section").id;
      const kind = section === "pass" ? ["pass", "notApplicable"] : [section];
      if (differs || !kind.includes(kindOf(result))) return { wrong: `a row of ${policy}`, rows };
      rows += 1;
    }
    return { wrong: "", rows };
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
  if (!globalThis.crypto?.subtle || !globalThis.DecompressionStream) {
    told.textContent = "Not checked: this browser cannot, in a page opened like this. Use the commands below.";
    return;
  }
  try {
    const spki = decode(held.key);
    const shown = document.getElementById("key").textContent;
    if ((await sha256(spki)) !== shown) return alarm("the fingerprint shown is not that of the key in it");
    if (!(await verified(held.envelope, spki))) return alarm("the signature does not verify");
    const statement = JSON.parse(new TextDecoder().decode(decode(held.envelope.payload)));
    const subject = statement.subject.find((found) => found.name === "results/results.json");
    const record = await unpacked(decode(held.results));
    if ((await sha256(record)) !== subject.digest.sha256) return alarm("the record in it is not the signed one");
    const { wrong, rows } = compared(JSON.parse(new TextDecoder().decode(record)));
    if (wrong) return alarm(`it shows ${wrong} otherwise than the signed record`);
    told.textContent = `Checked in this browser: signature, record, every count and ${rows.toLocaleString("en")} rows are consistent with this key. Not checked: explanations, map, and whether the key is infosec's.`;
  } catch (error) {
    alarm(`what it embeds cannot be read (${error.message})`);
  }
})();
