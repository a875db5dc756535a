"use strict";
(() => {
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const box = document.getElementById("filter");
  const status = document.getElementById("status");
  const before = status.textContent;
  const entries = [...document.querySelectorAll(".entry")].map((node) => ({ node, text: plain(node.textContent) }));

  const apply = () => {
    const words = plain(box.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { node, text } of entries) {
      node.hidden = !words.every((word) => text.includes(word));
      shown += !node.hidden;
    }
    status.textContent = words.length ? `${shown} of ${entries.length} videos match` : before;
  };

  document.getElementById("find").hidden = entries.length < 2;
  box.addEventListener("input", apply);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) {
      event.preventDefault();
      box.focus();
    } else if (event.key === "Escape" && document.activeElement === box) {
      box.value = "";
      apply();
    }
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details.rest, details.group").forEach((fold) => (fold.open = true)));
})();
