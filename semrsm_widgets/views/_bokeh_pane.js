// Bokeh figures inside our own widgets, by BokehJS's public API.

// BokehJS is loaded once per page, from the bytes of the version that is installed beside the kernel: no set-up line
// in the notebook, no network. A page that has the same version already (output_notebook) is used as it is.
function loadBokeh(model) {
  const version = model.get("_bokeh_version");
  const pages = (window.__semrsmBokeh ??= {});
  if (window.Bokeh?.version === version) return Promise.resolve(window.Bokeh);
  pages[version] ??= new Promise((resolve, reject) => {
    const receive = (content, buffers) => {
      if (content.kind !== "bokehjs") return;
      model.off("msg:custom", receive);
      const url = URL.createObjectURL(new Blob([asArray(buffers[0], Uint8Array)], { type: "text/javascript" }));
      const before = window.Bokeh;
      const script = h("script", { src: url });
      script.onload = () => {
        URL.revokeObjectURL(url);
        const loaded = window.Bokeh;
        if (before !== undefined) window.Bokeh = before; // another version belongs to somebody else: leave it
        resolve(loaded);
      };
      script.onerror = () => {
        delete pages[version];
        reject(new Error("The browser refused to run BokehJS (a Content-Security-Policy without blob:?)."));
      };
      document.head.append(script);
    };
    model.on("msg:custom", receive);
    model.send({ kind: "bokehjs" });
  });
  return pages[version];
}

// Resolves once the element is in the page: Bokeh measures it while embedding.
function attached(element) {
  return new Promise((resolve) => {
    const check = () => (document.body.contains(element) ? resolve() : requestAnimationFrame(check));
    check();
  });
}

// Embeds one figure; `setImage` replaces the image of the named source by (rows x columns) uint8 colour indices.
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
    remove() { for (const each of views) each.remove(); },
  };
}
