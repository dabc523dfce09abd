// Thumbnails by image, asked for when they are about to be seen: of thousands, only those on screen are ever decoded.

const THUMBNAILS_AT_ONCE = 32;
const THUMBNAIL_PATIENCE = 5000; // ms after which an unanswered question is asked again

function thumbnailStore(model) {
  const urls = new Map(); // image -> URL; "" for one that cannot be read
  const wanted = new Set();
  const views = new Set();
  let asked = new Set();
  let askedAt = 0;
  let timer = null;
  // One question at a time: what has scrolled away before the next one is not asked for.
  const ask = () => {
    timer = null;
    if (asked.size && performance.now() - askedAt < THUMBNAIL_PATIENCE) return;
    const indices = [...wanted].slice(-THUMBNAILS_AT_ONCE);
    asked = new Set(indices);
    askedAt = performance.now();
    if (indices.length) model.send({ kind: "thumbnails", indices });
  };
  const soon = () => { timer ??= setTimeout(ask, 20); };
  return {
    want(index) { if (!urls.has(index)) { wanted.add(index); soon(); } },
    forget(index) { wanted.delete(index); },
    receive(indices, buffers) {
      indices.forEach((index, k) => {
        asked.delete(index);
        wanted.delete(index);
        if (urls.has(index)) return;
        urls.set(index, buffers[k].byteLength ? jpegUrl(buffers[k]) : "");
        views.forEach((view) => view(index));
      });
      if (wanted.size) soon();
    },
    // An image element that shows a thumbnail once it is there.
    image(index) {
      const node = h("img", { alt: "", draggable: "false", "data-thumbnail": index });
      this.fill(node, index);
      return node;
    },
    fill(node, index) {
      const url = urls.get(index);
      if (url) node.src = url;
      else if (url === "") node.dataset.unreadable = "true";
      else this.want(index);
    },
    // Fill what a view shows as thumbnails come.
    attach(root) {
      const view = (index) => root.querySelectorAll(`img[data-thumbnail="${index}"]`).forEach((node) => this.fill(node, index));
      views.add(view);
      return () => views.delete(view);
    },
    stop() {
      clearTimeout(timer);
      urls.forEach((url) => url && URL.revokeObjectURL(url));
      urls.clear();
    },
  };
}

// One line of thumbnails to choose an image from; of a long one only what is visible exists.
const TILE = 48;

function thumbnailStrip(store, onChoose) {
  let images = [];
  let shown = []; // the images that the search found, by index
  let chosen = -1;
  const tiles = new Map();
  const track = h("div", { class: "srsm-track" });
  const root = h("div", { class: "srsm-film-strip", tabindex: 0, role: "listbox", "aria-label": "query image", "aria-orientation": "horizontal", ...OWN_KEYS }, track);
  const id = `srsm-tile-${Math.random().toString(36).slice(2)}`;

  const draw = () => {
    const first = Math.max(0, Math.floor(root.scrollLeft / TILE) - 2);
    const last = Math.min(shown.length, Math.ceil((root.scrollLeft + root.clientWidth) / TILE) + 2);
    const visible = new Set(shown.slice(first, last));
    for (const [index, tile] of tiles) {
      if (visible.has(index)) continue;
      tile.remove();
      tiles.delete(index);
      store.forget(index);
    }
    for (let k = first; k < last; k += 1) {
      const index = shown[k];
      let tile = tiles.get(index);
      if (!tile) {
        tile = h("div", { class: "srsm-tile", role: "option", id: `${id}-${index}`, "data-index": index, onclick: () => onChoose(index) }, store.image(index));
        tiles.set(index, tile);
        track.append(tile);
      }
      tile.style.left = `${k * TILE}px`;
      tile.title = describeImage(images[index]);
      tile.setAttribute("aria-label", tile.title);
      tile.setAttribute("aria-setsize", shown.length);
      tile.setAttribute("aria-posinset", k + 1);
      tile.setAttribute("aria-selected", String(index === chosen));
    }
    if (tiles.has(chosen)) root.setAttribute("aria-activedescendant", `${id}-${chosen}`);
    else root.removeAttribute("aria-activedescendant");
  };
  const reveal = () => {
    const k = shown.indexOf(chosen);
    if (k < 0 || !root.clientWidth) return;
    if (k * TILE < root.scrollLeft) root.scrollLeft = Math.max(0, (k - 1) * TILE);
    else if ((k + 1) * TILE > root.scrollLeft + root.clientWidth) root.scrollLeft = (k + 2) * TILE - root.clientWidth;
  };
  root.addEventListener("scroll", draw, { passive: true });
  root.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(root.clientWidth / TILE) - 1);
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || !shown.length) return;
    event.preventDefault();
    event.stopPropagation();
    const from = Math.max(0, shown.indexOf(chosen));
    onChoose(shown[Math.min(shown.length - 1, Math.max(0, from + by))]);
  });
  const observer = new ResizeObserver(() => { reveal(); draw(); });
  observer.observe(root);
  return {
    root,
    show(all, indices) {
      images = all;
      shown = indices;
      track.style.width = `${shown.length * TILE}px`;
      reveal();
      draw();
    },
    choose(index) { chosen = index; reveal(); draw(); },
    stop() { observer.disconnect(); },
  };
}

function describeImage(image) {
  return image.labels.length ? `${image.id} · ${image.labels.join(", ")}` : image.id;
}
