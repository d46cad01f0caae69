// Filters the listed results by text. The page is complete without it.
(() => {
  const box = document.getElementById("filter");
  const input = box.querySelector("input");
  const count = box.querySelector("output");
  const rows = [...document.querySelectorAll("[data-row]")].map((row) => {
    const part = row.closest("article, details");
    const about = [...part.querySelectorAll("h3, .ref, .about, summary")].map((element) => element.textContent);
    return { row, part, text: [row.textContent, ...about].join(" ").toLowerCase() };
  });
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const parts = new Map();
    let shown = 0;
    for (const { row, part, text } of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
      parts.set(part, parts.get(part) || !row.hidden);
    }
    for (const [part, used] of parts) {
      part.hidden = !used;
      if (part.tagName === "DETAILS") part.open = used && words.length > 0;
    }
    count.textContent = words.length ? `${shown} of ${rows.length} listed results shown` : "";
  };
  input.addEventListener("input", filter);
  addEventListener("hashchange", () => {
    input.value = "";
    filter();
    const target = document.querySelector(`[id="${CSS.escape(location.hash.slice(1))}"]`);
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target?.scrollIntoView();
  });
  for (const node of document.querySelectorAll("[data-find]")) {
    node.addEventListener("click", (event) => {
      event.preventDefault();
      input.value = node.dataset.find.toLowerCase();
      filter();
      document.querySelector("[data-row]:not([hidden])")?.closest("article, details")?.scrollIntoView();
    });
  }
  box.hidden = false;
})();
