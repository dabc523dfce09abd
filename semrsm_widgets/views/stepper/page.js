// The stepper on a page of its own: its messages are in the file, and nothing that it does asks for more.

import { Model } from "../base/page_model.js";
import stepper from "./view.js";

/** @param {string} text base64 */
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);

async function open() {
  const data = document.getElementById("srsm-page")?.textContent ?? "";
  /** @type {{ traits: Record<string, any>, messages: { content: any, buffers: string[] }[] }} */
  const { traits, messages } = JSON.parse(data);
  const model = new Model(traits);
  model.answer = ({ kind }) => {
    if (kind === "ping") model.emit("msg:custom", { kind: "pong" }, []);
    if (kind !== "ready") return;
    for (const { content, buffers } of messages) model.emit("msg:custom", content, buffers.map(bytes));
  };
  const view = stepper();
  await view.initialize({ model });
  await view.render({ model, el: document.getElementById("srsm-stepper") });
  document.documentElement.dataset.ready = "true";
}

open();
