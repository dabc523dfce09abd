// What comes from the kernel as bytes.

/** @typedef {DataView | ArrayBuffer | ArrayBufferView} Bytes a buffer of a message */

/** @typedef {Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>} Numbers */

/** @type {Record<string, new (bytes: ArrayBuffer) => Numbers>} */
const ARRAYS = { Int32Array, Float32Array, Uint8Array };

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
 * A message with its buffers under their names, which its `arrays` gives as [name, type] in their order.
 *
 * @param {{ arrays: [name: string, type: string][], [fact: string]: any }} content
 * @param {Bytes[]} buffers
 * @returns {any}
 */
export function withArrays(content, buffers) {
  const arrays = content.arrays.map(([name, type], k) => [name, asArray(buffers[k], ARRAYS[type])]);
  return { ...content, ...Object.fromEntries(arrays) };
}

/**
 * The address of a picture; revoke it when it is no longer shown.
 *
 * @param {Bytes} buffer
 */
export function jpegUrl(buffer) {
  return URL.createObjectURL(new Blob([asArray(buffer, Uint8Array)], { type: "image/jpeg" }));
}
