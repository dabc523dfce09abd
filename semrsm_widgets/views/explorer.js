// The explorer's header: title, status with its buttons, what was reduced; the images while the model is loading.

export default () => {
  let film = [];
  const views = new Set();
  return {
    initialize({ model }) {
      model.on("msg:custom", (content, buffers) => {
        if (content.kind !== "film") return;
        film = buffers.map(jpegUrl);
        views.forEach((view) => view(film));
      });
      model.send({ kind: "ready" });
      // The heatmaps will want BokehJS: fetch it while the model looks at the images, once the first pair is on screen.
      model.on("change:_loading", () => loadBokeh(model).catch(() => {})); // the heatmaps say what is wrong
    },
    render({ model, el }) {
      const events = listeners(model);
      const send = (kind) => () => model.send({ kind });
      const title = h("span", { class: "srsm-title" });
      const status = statusLine(model, { onCancel: send("cancel"), onResume: send("resume") });
      const start = h("button", { class: "srsm-button srsm-primary", type: "button", onclick: send("start") }, "Start");
      status.root.append(start);
      const notices = h("div", { class: "srsm-notice" });
      const pictures = h("div", { class: "srsm-film", "aria-hidden": "true" });
      const root = h("div", { class: "srsm srsm-explorer" }, h("div", { class: "srsm-head" }, title, status.root), notices, pictures);
      el.append(root);

      const update = () => {
        const [name, size] = model.get("_title");
        title.replaceChildren(...(name ? [name, " ", size ? h("small", {}, `· ${size}`) : ""] : ["semantic RSMs"]));
        notices.replaceChildren(...model.get("_notices").map((text) => h("div", {}, text)));
        pictures.hidden = !model.get("_loading");
        root.dataset.loading = String(model.get("_loading"));
        const state = model.get("_status")?.state;
        start.hidden = state !== "waiting";
        root.dataset.state = state ?? "";
      };
      for (const name of ["_title", "_notices", "_loading", "_status"]) events.on(`change:${name}`, update);
      const show = (urls) => pictures.replaceChildren(...urls.map((src) => h("img", { src, alt: "" })));
      views.add(show);
      show(film);
      update();
      return () => { views.delete(show); events.stop(); status.stop(); };
    },
  };
};
