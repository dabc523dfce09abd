// Under each page that search finds: what stands around the words. The texts come with the site (search_texts.py), as
// a page opened from a file may not fetch others.

(() => {
  const LENGTH = 220;
  const BEFORE = 70;
  const query = new URLSearchParams(window.location.search).get("q") ?? "";
  const words = query.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
  // Search finds "matches" for "matching", too.
  const stems = words.map((word) => word.replace(/(ing|es|ed|s)$/, "")).filter((stem) => stem.length > 1);
  const pattern = stems.length ? new RegExp(`(${stems.join("|")})[\\p{L}\\p{N}_]*`, "giu") : null;

  /** Return the first of a page's sections, or the one that was found, that says one of the words; else the first. */
  function textOf(address) {
    const [page, anchor] = decodeURI(address).split("#");
    const all = window.searchTexts[page.replace(/\.html$/, "")] ?? [];
    const own = all.filter(([id]) => id === anchor);
    const some = own.length ? own : all;
    const [, text] = some.find(([, each]) => each.search(pattern) >= 0) ?? some[0] ?? ["", ""];
    return text;
  }

  function excerpt(text) {
    const at = Math.max(0, text.search(pattern));
    const start = at > BEFORE ? text.indexOf(" ", at - BEFORE) + 1 : 0;
    const end = start + LENGTH < text.length ? text.lastIndexOf(" ", start + LENGTH) : text.length;
    return `${start ? "… " : ""}${text.slice(start, end)}${end < text.length ? " …" : ""}`;
  }

  function show(item) {
    const link = item.querySelector("a");
    const text = link && excerpt(textOf(link.getAttribute("href")));
    if (!text) return;
    const line = document.createElement("p");
    line.className = "context";
    let last = 0;
    for (const found of text.matchAll(pattern)) {
      const mark = document.createElement("span");
      mark.className = "highlighted";
      mark.textContent = found[0];
      line.append(text.slice(last, found.index), mark);
      last = found.index + found[0].length;
    }
    line.append(text.slice(last));
    item.append(line);
  }

  const results = document.getElementById("search-results");
  if (!results || !pattern) return;
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) if (node.nodeName === "LI") show(node);
    }
  }).observe(results, { childList: true, subtree: true });
})();
