// Bokeh figures inside our own widgets, by BokehJS's public API.

// A kernel that was asked for BokehJS may be gone: after this long the next view's is asked as well.
const BOKEH_PATIENCE_MS = 5000;

// BokehJS is loaded once per page, from the bytes of the version that is installed beside the kernel: no set-up line
// in the notebook, no network. A page that has the same version already (output_notebook) is used as it is.
function loadBokeh(model) {
  const version = model.get("_bokeh_version");
  const pages = (window.__semrsmBokeh ??= {});
  if (window.Bokeh?.version === version) return Promise.resolve(window.Bokeh);
  const page = (pages[version] ??= pendingBokeh());
  const ask = () => {
    if (page.loaded) return;
    page.asked = performance.now();
    model.on("msg:custom", receive);
    model.send({ kind: "bokehjs" });
  };
  const receive = (content, buffers) => {
    if (content.kind !== "bokehjs") return;
    model.off("msg:custom", receive);
    page.run(asArray(buffers[0], Uint8Array), () => { delete pages[version]; });
  };
  const wait = page.asked + BOKEH_PATIENCE_MS - performance.now();
  if (wait > 0) setTimeout(ask, wait);
  else ask();
  return page.promise;
}

// A promise of BokehJS, which `run` keeps with the first bytes that come.
function pendingBokeh() {
  const page = { asked: -Infinity, loaded: false };
  page.promise = new Promise((resolve, reject) => {
    page.run = (bytes, failed) => {
      if (page.loaded) return;
      page.loaded = true;
      const url = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
      const before = window.Bokeh;
      const script = h("script", { src: url });
      script.onload = () => {
        URL.revokeObjectURL(url);
        const bokeh = window.Bokeh;
        if (before !== undefined) window.Bokeh = before; // another version belongs to somebody else: leave it
        resolve(bokeh);
      };
      script.onerror = () => {
        failed();
        reject(new Error("The browser refused to run BokehJS (a Content-Security-Policy without blob:?)."));
      };
      document.head.append(script);
    };
  });
  return page;
}

// Resolves once the element is in the page: Bokeh measures it while embedding.
function attached(element) {
  return new Promise((resolve) => {
    const check = () => (document.body.contains(element) ? resolve() : requestAnimationFrame(check));
    check();
  });
}

// Embeds one heatmap; `setImage` replaces the image of the named source by (rows x columns) uint8 colour indices.
async function embedFigure(Bokeh, item, element) {
  await attached(element);
  const views = await Bokeh.embed.embed_item(item, element);
  const view = [...views][0];
  const doc = view.model.document;
  const old = (source) => source.data.image[0];
  return {
    doc,
    setImage(name, bytes, rows, columns) {
      const source = doc.get_model_by_name(name);
      // Bokeh accepts only its own n-dimensional arrays: make one by the constructor of the one that is there.
      const image = new (old(source).constructor)(bytes, [rows, columns]);
      source.data = { ...source.data, image: [image], dw: [columns], dh: [rows] };
    },
    // Shows a square of cells: `side` rows and columns from `row` and `column` on, of `size`.
    setArea({ row, column, side }, size) {
      view.model.x_range.setv({ start: column, end: column + side });
      view.model.y_range.setv({ start: size - row - side, end: size - row });
    },
    remove() { for (const each of views) each.remove(); },
  };
}
