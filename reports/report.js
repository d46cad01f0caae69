// Lists, filters and exports the results that the page holds. Without it, what needs a person stands on the page.
const PAGE = 100;
const RANKS = ["fail", "unknown", "manual", "waived", "pass", "notApplicable"];
const WORDS = { fail: "Fail", unknown: "Unknown", manual: "Manual", waived: "Waived", pass: "Pass", notApplicable: "Not applicable" };
const SEVERITIES = ["critical", "high", "medium", "low"];

const make = (name, properties = {}, ...inside) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
};
// Untrusted text: isolated from what is around it, and nothing in it unseen.
const bdi = (text) => {
  const element = make("bdi");
  let end = 0;
  for (const found of text.matchAll(UNSEEN)) {
    element.append(text.slice(end, found.index), make("mark", {}, escaped(found[0])));
    end = found.index + found[0].length;
  }
  element.append(text.slice(end));
  return element;
};
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);
const prose = (text) => text.replace(/[ \t\n]+/g, " ").trim();

// Where a resource is, read from its id (as lockdown/report/place.py reads it).
const placeOf = (id) => {
  const parts = id.replace(/^\/+|\/+$/g, "").split("/");
  const lower = parts.map((part) => part.toLowerCase());
  const subscription = lower[0] === "subscriptions" && parts.length > 1 ? parts[1] : "";
  const group = subscription && lower[2] === "resourcegroups" && parts.length > 3 ? parts[3] : "";
  const at = lower.lastIndexOf("providers");
  const names = at < 0 ? [] : parts.slice(at + 2).filter((_, place) => place % 2 === 1);
  if (names.length) {
    const kinds = parts.slice(at + 2).filter((_, place) => place % 2 === 0);
    return { subscription, group, type: [parts[at + 1], ...kinds.slice(0, names.length)].join("/"), path: names.join("/") };
  }
  if (group && parts.length === 4) return { subscription, group, type: "resource group", path: group };
  if (subscription && parts.length === 2) return { subscription, group: "", type: "subscription", path: subscription };
  return { subscription, group, type: "", path: parts.at(-1) || id };
};

// Each distinct value once, and for each row which it is.
const interned = (values) => {
  const known = new Map();
  const at = new Uint32Array(values.length);
  values.forEach((value, row) => {
    let place = known.get(value);
    if (place === undefined) known.set(value, (place = known.size));
    at[row] = place;
  });
  return { at, values: [...known.keys()] };
};

const explore = (record, shown) => {
  const { policies, run } = record;
  const names = new Map(run.scope.subscriptions.map((item) => [item.id.toLowerCase(), item.name]));
  const order = policies.map((policy) => policy.id);
  const place = new Map(order.map((id, at) => [id, at]));
  const rank = (row) => RANKS.indexOf(kindOf(row)) * SEVERITIES.length + SEVERITIES.indexOf(row.severity);
  const ranked = record.results.map((row) => [rank(row), row]);
  const rows = ranked.sort((one, other) => one[0] - other[0]).map(([, row]) => row);
  const policyAt = Uint16Array.from(rows, (row) => place.get(row.policy));
  const resources = interned(rows.map((row) => row.resource));
  const kinds = Uint8Array.from(rows, (row) => RANKS.indexOf(kindOf(row)));
  const grades = Uint8Array.from(rows, (row) => SEVERITIES.indexOf(row.severity));
  const places = resources.values.map(placeOf);
  const frameworks = run.frameworks ?? [];
  const claims = policies.map((policy) => new Set(policy.controls.map((claim) => `${claim.framework}/${claim.id}`)));
  for (const item of frameworks.filter((found) => found.derivesFrom)) {
    for (const { id } of item.controls) for (const claim of claims) if (claim.has(`${item.derivesFrom}/${id}`)) claim.add(`${item.id}/${id}`);
  }
  // What text is looked for in, each distinct text once; made when the page has nothing else to do.
  let searched;
  const search = () => {
    if (searched) return searched;
    const texts = interned(rows.map((row) => `${row.part}\n${row.reason}\n${row.expected}\n${row.observed}`));
    searched = [
      [policyAt, policies.map((policy, at) => [policy.id, policy.title, policy.theme, policy.rationale, ...claims[at]].join("\n").toLowerCase())],
      [resources.at, resources.values.map((id) => `${id}\n${names.get(id.toLowerCase().split("/")[2]) ?? ""}`.toLowerCase())],
      [texts.at, texts.values.map((text) => text.toLowerCase())],
    ];
    return searched;
  };
  const marked = (values, test) => Uint8Array.from(values, (value, at) => (test(value, at) ? 1 : 0));

  // What can be asked for, and how a row is tested for it.
  const tests = {
    q: (text) => {
      const each = text.toLowerCase().split(/\s+/).filter(Boolean).map((word) =>
        search().map(([at, values]) => [at, marked(values, (value) => value.includes(word))]));
      return (row) => each.every((found) => found.some(([at, fits]) => fits[at[row]]));
    },
    verdict: (kind) => ((at) => (row) => kinds[row] === at)(RANKS.indexOf(kind)),
    severity: (grade) => ((at) => (row) => grades[row] === at)(SEVERITIES.indexOf(grade)),
    topic: (theme) => ((fits) => (row) => fits[policyAt[row]])(marked(policies, (policy) => policy.theme === theme)),
    control: (control) => ((fits) => (row) => fits[policyAt[row]])(marked(claims, (claim) => claim.has(control))),
    group: (group) => ((fits) => (row) => fits[resources.at[row]])(marked(places, (where) => where.group.toLowerCase() === group)),
    subscription: (id) => ((fits) => (row) => fits[resources.at[row]])(marked(places, (where) => where.subscription.toLowerCase() === id)),
    type: (type) => ((fits) => (row) => fits[resources.at[row]])(marked(places, (where) => where.type.toLowerCase() === type)),
    policy: (id) => ((at) => (row) => policyAt[row] === at)(place.get(id) ?? -1),
    resource: (id) => ((fits) => (row) => fits[resources.at[row]])(
      marked(resources.values, (found) => found.toLowerCase() === id || found.toLowerCase().startsWith(`${id}/`))),
  };

  const box = document.getElementById("filter");
  const section = document.getElementById("results");
  const count = box.querySelector("output");
  const input = box.querySelector("input");
  const selects = [...box.querySelectorAll("select")];
  const extra = document.getElementById("also");
  const csv = document.getElementById("csv");
  const more = document.getElementById("more");
  const table = section.querySelector("table");
  let state = {};
  let found = [];
  let listed = 0;

  const anchor = (policy, kind) => `#${kind === "notApplicable" ? "pass" : kind}-${policy.id}`;
  const chip = (kind, grade) => make("span", { className: `chip ${kind} ${grade}` }, capital(grade));
  const head = (row, policy, kind) => {
    const line = make("p", { className: "of" }, make("span", { className: `mark ${kind}` }, WORDS[kind]), " ", chip(kind, row.severity), " ");
    line.append(make("a", { href: anchor(policy, kind) }, bdi(prose(policy.title))));
    return line;
  };
  const cell = (text, className = "") => make("td", { className }, text ? bdi(text) : make("i", {}, "empty"));
  const drawn = (at) => {
    const row = rows[at], policy = policies[policyAt[at]], kind = kindOf(row);
    const known = shown.get(keyOf(row.policy, row.resource, row.part));
    if (known) {
      const copy = known.row.cloneNode(true);
      copy.removeAttribute("data-row");
      copy.className = "row";
      copy.querySelector("th").prepend(head(row, policy, kind));
      if (copy.rows[1].cells.length === 2) copy.rows[1].prepend(cell(row.expected));
      return copy;
    }
    return built(at, head(row, policy, kind));
  };
  const built = (at, first) => {
    const row = rows[at];
    const where = places[resources.at[at]];
    const named = where.type === "subscription" ? names.get(where.path.toLowerCase()) || where.path : where.path;
    const title = make("th", { scope: "rowgroup", colSpan: 3 }, first, make("b", {}, bdi(named)));
    if (row.part) title.append(" part ", make("b", {}, bdi(row.part)));
    if (where.type) title.append(" ", make("small", {}, bdi(where.type)));
    if (row.resource !== named) title.append(make("br"), make("span", { className: "id" }, bdi(row.resource)));
    const cells = make("tr", {}, cell(row.expected), cell(row.observed, "seen"), cell(row.reason));
    const body = make("tbody", { className: "row" }, make("tr", {}, title), cells);
    if (row.waiver) {
      const waived = make("td", { colSpan: 3 }, "Waived by ", bdi(row.waiver.owner), " until ", bdi(row.waiver.expires), ": ", bdi(prose(row.waiver.reason)));
      body.append(make("tr", {}, waived));
    }
    return body;
  };
  const further = () => {
    const end = Math.min(found.length, listed + PAGE);
    const next = document.createDocumentFragment();
    for (; listed < end; listed += 1) next.append(drawn(found[listed]));
    table.append(next);
    more.hidden = listed >= found.length;
    more.textContent = `Show ${Math.min(PAGE, found.length - listed).toLocaleString("en")} more of ${(found.length - listed).toLocaleString("en")}`;
  };
  const matching = (wanted) => {
    const asked = Object.entries(wanted).map(([name, value]) => tests[name](value));
    const kept = [];
    for (let row = 0; row < rows.length; row += 1) if (asked.every((test) => test(row))) kept.push(row);
    return kept;
  };
  const controls = () => {
    input.value = state.q ?? "";
    for (const select of selects) select.value = state[select.name] ?? "";
    extra.replaceChildren();
    for (const name of ["policy", "resource", "type"].filter((key) => state[key])) {
      const button = make("button", { type: "button", title: "Remove this condition" }, `${name} `, bdi(state[name]), " \u00d7");
      button.addEventListener("click", () => apply({ ...state, [name]: undefined }));
      extra.append(button, " ");
    }
  };
  const apply = (wanted, { keep = false } = {}) => {
    state = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value && tests[name]));
    const active = Object.keys(state).length > 0;
    if (!keep) history.replaceState(null, "", `#${new URLSearchParams(state)}`);
    document.body.classList.toggle("filtered", active);
    section.hidden = !active;
    for (const body of [...table.tBodies]) body.remove();
    listed = 0;
    found = active ? matching(state) : [];
    if (active) further();
    const all = rows.length.toLocaleString("en");
    count.textContent = active ? `${found.length.toLocaleString("en")} of ${all} results` : `${all} results`;
    section.querySelector("h2 span").textContent = found.length.toLocaleString("en");
    csv.textContent = active ? "Save these as CSV" : "Save all as CSV";
    controls();
  };

  // What a spreadsheet would compute stays text, as in results.csv.
  const FORMULA = /^[\s'"]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/;
  const cellOf = (text) => {
    const seen = visible(text).trim();
    return `"${(FORMULA.test(text) || FORMULA.test(seen) ? `'${seen}` : seen).replaceAll('"', '""')}"`;
  };
  const COLUMNS = ["policy", "title", "theme", "severity", "status", "subscription", "resourceGroup", "type", "name", "part", "reason",
    "expected", "observed", "controls", "remediation", "command", "waiverReason", "waiverOwner", "waiverExpires", "resource", "runId", "evaluatedAt", "source"];
  // The controls that a policy speaks to, then the same ones as baselines list them.
  const controlsOf = (policy) => {
    const listed = frameworks.filter((item) => item.derivesFrom).flatMap((item) => {
      const kept = new Set(item.controls.map(({ id }) => id));
      return policy.controls.filter((claim) => claim.framework === item.derivesFrom && kept.has(claim.id))
        .map((claim) => ({ ...claim, framework: item.id }));
    });
    return [...new Set([...policy.controls, ...listed].map(({ framework, id, basis }) => `${framework} ${id} (${basis})`))].join("; ");
  };
  const line = (at) => {
    const row = rows[at], policy = policies[policyAt[at]], where = places[resources.at[at]];
    const known = shown.get(keyOf(row.policy, row.resource, row.part));
    const name = where.type === "subscription" ? names.get(where.path.toLowerCase()) || where.path : where.path;
    return [policy.id, policy.title, policy.theme, row.severity, kindOf(row), where.subscription, where.group, where.type, name,
      row.part, row.reason, row.expected, row.observed, controlsOf(policy),
      prose(policy.remediation), known?.row.querySelector(".cmd")?.textContent ?? "", row.waiver?.reason ?? "", row.waiver?.owner ?? "",
      row.waiver?.expires ?? "", row.resource, run.runId, run.evaluatedAt, run.source].map(cellOf).join(",");
  };
  const save = (name, type, parts) => {
    const link = make("a", { href: URL.createObjectURL(new Blob(parts, { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  csv.addEventListener("click", () => {
    const kept = Object.keys(state).length ? found : [...rows.keys()];
    save("results.csv", "text/csv;charset=utf-8", [`${COLUMNS.map(cellOf).join(",")}\r\n`, ...kept.map((at) => `${line(at)}\r\n`)]);
  });
  document.getElementById("save-map")?.addEventListener("click", () => {
    const copy = document.querySelector("svg.map").cloneNode(true);
    const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = document.querySelector("style").textContent;
    copy.prepend(style);
    save("map.svg", "image/svg+xml", [new XMLSerializer().serializeToString(copy)]);
  });

  const options = (name, choices) => {
    const select = selects.find((found) => found.name === name);
    for (const [value, text, group] of choices) {
      let parent = select;
      if (group) {
        parent = [...select.querySelectorAll("optgroup")].find((known) => known.label === group);
        if (!parent) select.append((parent = make("optgroup", { label: group })));
      }
      parent.append(make("option", { value }, visible(text)));
    }
    select.parentElement.hidden = choices.length < 2;
  };
  const distinct = (values) => [...new Set(values)].filter(Boolean).sort();
  const used = new Set(policyAt);
  options("verdict", RANKS.filter((kind, at) => kinds.includes(at)).map((kind) => [kind, WORDS[kind]]));
  options("severity", SEVERITIES.filter((grade, at) => grades.includes(at)).map((grade) => [grade, capital(grade)]));
  options("topic", distinct([...used].map((at) => policies[at].theme)).map((theme) => [theme, theme]));
  const spoken = new Set([...used].flatMap((at) => [...claims[at]]));
  options("control", frameworks.flatMap((item) => item.controls.filter(({ id }) => spoken.has(`${item.id}/${id}`))
    .map(({ id }) => [`${item.id}/${id}`, id, visible(prose(item.title))])));
  const groups = new Map(places.map((where) => [where.group.toLowerCase(), where.group]));
  options("group", distinct(groups.keys()).map((key) => [key, groups.get(key)]));
  options("subscription", distinct(places.map((where) => where.subscription.toLowerCase())).map((id) => [id, names.get(id) || id]));

  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => apply({ ...state, q: input.value.trim() }), rows.length > 5000 ? 120 : 0);
  });
  for (const select of selects) select.addEventListener("change", () => apply({ ...state, [select.name]: select.value }));
  document.getElementById("clear").addEventListener("click", () => {
    apply({});
    input.focus();
  });
  more.addEventListener("click", () => {
    const next = listed;
    further();
    const row = table.tBodies[next];
    row.tabIndex = -1;
    row.focus();
  });
  const arrive = () => {
    const fragment = location.hash.slice(1);
    if (fragment.includes("=")) {
      apply(Object.fromEntries(new URLSearchParams(fragment)), { keep: true });
      box.scrollIntoView();
      return;
    }
    if (document.body.classList.contains("filtered")) apply({}, { keep: true });
    const target = fragment && document.getElementById(decodeURIComponent(fragment));
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", arrive);
  for (const node of document.querySelectorAll("[data-find]")) {
    node.addEventListener("click", (event) => {
      event.preventDefault();
      const at = node.dataset.find.indexOf("=");
      apply({ [node.dataset.find.slice(0, at)]: node.dataset.find.slice(at + 1) });
      box.scrollIntoView();
    });
  }
  // The rows of a policy that passes are written when somebody opens it.
  for (const details of document.querySelectorAll("details[data-policy]")) {
    details.addEventListener("toggle", () => {
      if (!details.open || details.querySelector("table")) return;
      const at = place.get(details.dataset.policy);
      const kept = [...rows.keys()].filter((row) => policyAt[row] === at && kinds[row] >= RANKS.indexOf("pass"));
      const headings = ["Expected", "Observed", "Reason"].map((text) => make("th", { scope: "col" }, text));
      const held = make("table", { className: "rows" }, make("thead", {}, make("tr", {}, ...headings)));
      for (const row of kept.slice(0, PAGE)) {
        held.append(built(row, make("span", { className: `mark ${RANKS[kinds[row]]}` }, `${WORDS[RANKS[kinds[row]]]} `)));
      }
      details.append(held);
      if (kept.length > PAGE) {
        const state = new URLSearchParams({ policy: details.dataset.policy });
        details.append(make("p", {}, make("a", { href: `#${state}` }, `All ${kept.length.toLocaleString("en")} of them`)));
      }
    });
  }
  for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;
  box.hidden = false;
  apply({}, { keep: true });
  if (location.hash) arrive();
  document.body.dataset.ready = "";
  (globalThis.requestIdleCallback ?? setTimeout)(search);
};

(async () => {
  const signed = document.getElementById("signed");
  try {
    const bytes = await unpacked(heldAs("record"));
    const digest = signed && globalThis.crypto?.subtle ? sha256(bytes) : undefined; // while the next line parses
    const record = JSON.parse(new TextDecoder().decode(bytes));
    const shown = rowsShown();
    if (!signed || (await check(digest, record, shown))) explore(record, shown);
  } catch (error) {
    if (!signed) throw error;
    if (globalThis.DecompressionStream) alarm(`what it embeds cannot be read (${error.message})`);
    else told.textContent = "Not checked: this browser cannot unpack the record. Use the commands below.";
  }
})();
