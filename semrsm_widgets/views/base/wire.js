// What comes from the kernel: messages of one form, see wire.py.

/** @typedef {DataView | ArrayBuffer | ArrayBufferView} Bytes a buffer of a message */

/** @typedef {Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>} Numbers */

/** @typedef {[name: string, type: string, shape: number[]]} ArrayHead what a buffer is; pictures: as many as the shape says */

/** @typedef {{ kind: string, arrays?: ArrayHead[], [fact: string]: any }} Content a message without its buffers */

/** @typedef {{ mean: number, quantile95: number, n: number }} NullLevel what unrelated tokens reach */

/** @type {Record<string, new (bytes: ArrayBuffer) => Numbers>} */
const ARRAYS = { Float32Array, Int32Array, Uint16Array, Uint8Array };
const PICTURES = "jpeg";

/**
 * The numbers of a buffer.
 *
 * @template {Numbers} Kind
 * @param {Bytes} buffer
 * @param {new (bytes: ArrayBuffer) => Kind} Type
 * @returns {Kind}
 */
export function asArray(buffer, Type) {
  // A DataView's offset need not be a multiple of the element size: copy the bytes.
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  return new Type(bytes.slice().buffer);
}

/**
 * The names of a message's buffers, in their order.
 *
 * @param {Content} content
 */
export function bufferNames({ arrays = [] }) {
  return arrays.flatMap(([name, type, shape]) => Array(type === PICTURES ? shape[0] : 1).fill(name));
}

/**
 * A message with its numbers and its lists of pictures under their names, beside its facts.
 *
 * @param {Content} content
 * @param {Bytes[]} buffers
 * @returns {any}
 */
export function unpack({ arrays = [], ...facts }, buffers) {
  let next = 0;
  const named = arrays.map(([name, type, shape]) => {
    if (type === PICTURES) {
      next += shape[0];
      return [name, buffers.slice(next - shape[0], next)];
    }
    const values = asArray(buffers[next], ARRAYS[type]);
    next += 1;
    const size = shape.reduce((product, side) => product * side, 1);
    if (values.length !== size) throw new Error(`${facts.kind}: ${name} has ${values.length} numbers, not ${size}`);
    return [name, values];
  });
  return { ...facts, ...Object.fromEntries(named) };
}

/**
 * Has each message of the kernel read by the function for its kind.
 *
 * @param {import("./model.js").Model} model
 * @param {Record<string, (message: any) => void>} readers kind -> what is done with the message; others are not for here
 */
export function onMessages(model, readers) {
  model.on("msg:custom", (content, buffers) => {
    if (Object.hasOwn(readers, content.kind)) readers[content.kind](unpack(content, buffers));
  });
}

/**
 * The address of a picture; revoke it when it is no longer shown.
 *
 * @param {Bytes} buffer
 */
export function jpegUrl(buffer) {
  return URL.createObjectURL(new Blob([asArray(buffer, Uint8Array)], { type: "image/jpeg" }));
}
