// What was recorded for the page: messages in packs, one for each layer, and pictures. Python packs them.

/**
 * A column of numbers, as planes of bytes: the high bytes of all numbers, then the next ones.
 *
 * @typedef {object} Column
 * @property {string} numbers what they are: a typed array, "steps", or bytes
 * @property {number} width bytes of a number
 * @property {number} count
 * @property {number} offset what was added to them
 * @property {Uint8Array[]} planes
 */

/** @typedef {{ column: number, start: number, count: number, step: number | null }} Place where numbers are in a pack */
/** @typedef {{ cosine: string, partner: string, side: number }} Product */
/** @typedef {Place | { blob: number } | { inverse: number } | { product: Product }} BufferPlace */
/** @typedef {{ arrays?: [name: string, type: string][], pair?: [number, number], [fact: string]: any }} Content */
/** @typedef {Record<string, any>} Scope the traits under which a message is sent */
/** @typedef {{ content: Content, scope: Scope, buffers: () => DataView[] }} Message */

/** @param {string} id of an element that holds base64 */
function stored(id) {
  const text = atob(document.getElementById(id)?.textContent ?? "");
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
  return bytes;
}

/** @type {Map<number, DataView>} */
const blobs = new Map();

/** @param {number} number */
function blob(number) {
  const known = blobs.get(number) ?? new DataView(stored(`srsm-blob-${number}`).buffer);
  blobs.set(number, known);
  return known;
}

/** @type {Map<string, Promise<Message[]>>} */
const packs = new Map();

/**
 * The messages of a pack.
 *
 * @param {string} id
 */
export function openPack(id) {
  const known = packs.get(id) ?? inflate(id);
  packs.set(id, known);
  return known;
}

/** @param {string} id */
export function isOpen(id) {
  return packs.has(id);
}

/** @param {string} id */
async function inflate(id) {
  const deflated = new Blob([stored(id)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(deflated).arrayBuffer());
  document.getElementById(id)?.remove(); // the inflated bytes stay: the text is not needed again
  return readPack(bytes, blob);
}

/**
 * The messages of a pack; their buffers are made when they are asked for.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {(number: number) => DataView} picture
 * @returns {Message[]}
 */
export function readPack(bytes, picture) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  /** @type {{ messages: any[], columns: Column[], shares: Record<number, Place[]> }} */
  const { messages, columns, shares } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  for (const column of columns) {
    column.planes = [];
    for (let k = 0; k < column.width; k += 1, at += column.count) {
      column.planes.push(bytes.subarray(at, at + column.count));
    }
  }
  /** @param {number} image */
  const sharesOf = (image) => shares[image].map((place) => new Float32Array(numbersAt(place, columns).buffer));
  /** @type {(content: Content, places: BufferPlace[]) => DataView[]} */
  const readAll = (content, places) => {
    /** @type {DataView<ArrayBuffer>[]} */
    const read = [];
    /** @param {string} name */
    const named = (name) => read[(content.arrays ?? []).findIndex(([each]) => each === name)];
    for (const place of places) {
      if ("blob" in place) read.push(/** @type {DataView<ArrayBuffer>} */ (picture(place.blob)));
      else if ("inverse" in place) read.push(inverse(new Int32Array(read[0].buffer), place.inverse));
      else if ("product" in place) read.push(product(place.product, named, (content.pair ?? []).map(sharesOf)));
      else read.push(numbersAt(place, columns));
    }
    return read;
  };
  return messages.map(({ content, scope, buffers }) => ({ content, scope, buffers: () => readAll(content, buffers) }));
}

/**
 * @param {Place} place
 * @param {Column[]} columns
 */
function numbersAt({ column, start, count, step }, columns) {
  const { numbers, width, offset, planes } = columns[column];
  const bytes = new Uint8Array(width * count);
  // the highest bytes come first, numbers are little-endian
  planes.forEach((plane, k) => {
    for (let n = 0; n < count; n += 1) bytes[n * width + width - 1 - k] = plane[start + n];
  });
  if (numbers === "Int32Array") {
    const Type = width === 1 ? Uint8Array : width === 2 ? Uint16Array : Int32Array;
    return new DataView(Int32Array.from(new Type(bytes.buffer), (value) => value - offset).buffer);
  }
  if (numbers === "steps") {
    const [Type, none] = width === 1 ? [Int8Array, -128] : [Int16Array, -32768];
    const size = step ?? 1;
    const values = Float32Array.from(new Type(bytes.buffer), (value) => (value === none ? NaN : value * size));
    return new DataView(values.buffer);
  }
  return new DataView(bytes.buffer);
}

/**
 * Contributions from cosines and from the shares of tokens in the norms of their images.
 *
 * @param {Product} what
 * @param {(name: string) => DataView<ArrayBuffer>} named an array of the same message
 * @param {Float32Array[][]} shares of both images: [of the whole, of the mean]
 */
function product({ cosine, partner, side }, named, shares) {
  const own = shares[side];
  const other = shares[1 - side];
  const partners = partner === "mean" || partner === "same" ? null : new Int32Array(named(partner).buffer);
  const contributions = new Float32Array(named(cosine).buffer).map((value, token) => {
    if (Number.isNaN(value)) return 0; // no partner
    if (partner === "mean") return value * own[1][token];
    return value * own[0][token] * other[0][partners ? partners[token] : token];
  });
  return new DataView(contributions.buffer);
}

/**
 * @param {Int32Array} permutation
 * @param {number} size
 */
function inverse(permutation, size) {
  const found = new Int32Array(size).fill(-1);
  permutation.forEach((partner, token) => {
    if (partner >= 0) found[partner] = token;
  });
  return new DataView(found.buffer);
}
