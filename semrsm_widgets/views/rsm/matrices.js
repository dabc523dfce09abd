// The matrices of a frame (see frames.py): unpacked, subtracted, counted and coloured. All are N x N, row by row.

/** @typedef {Record<string, Float32Array<ArrayBuffer>>} Matrices name -> N x N */
/** @typedef {[low: number, high: number]} Range */

/**
 * What there is of a layer under a kernel.
 *
 * @typedef {object} Frame
 * @property {string} layer
 * @property {string} kernel
 * @property {boolean} complete whether the semantic matrix is there
 * @property {boolean} exact whether numbers come as float32, not as steps
 * @property {{ name: string, low: number, high: number, off_diagonal: Range }[]} matrices
 * @property {import("../base/wire.js").Numbers[]} packed their upper triangles, in the same order
 * @property {Matrices | null} full the same, unpacked
 * @property {import("../base/wire.js").NullLevel | null} [null] what unrelated tokens reach
 * @property {number | null} [sigma] of an RBF
 * @property {Record<string, number> | null} [auc] how well each tells labels apart
 * @property {string} [reason] why there are none
 */

export const MISSING_COLOUR = 255; // drawn transparent
export const TOP_COLOUR = 254;
const MISSING_STEP = 65535;
const TOP_STEP = 65534;
const LEAST_DIFFERENCE = 1e-4; // of the levels (figures/palettes.py): matched values are certified to no more
const KEPT_BYTES = 96 * 2 ** 20; // of frames as they came; the kernel sends a dropped one again
const KEPT_NUMBERS = 24e6; // of unpacked matrices, 4 bytes each

/**
 * Frames by layer and kernel. Those that were not looked at for longest are dropped when they take too much memory.
 *
 * @param {number} size
 */
export function frameStore(size) {
  /** @type {Map<string, Frame>} */
  const frames = new Map();
  /** @type {(layer: string, kernel: string) => string} */
  const key = (layer, kernel) => `${layer}\n${kernel}`;
  /** @type {(frame: Frame) => number} */
  const bytes = (frame) => frame.packed.reduce((sum, values) => sum + values.byteLength, 0);
  /** @type {(amount: (frame: Frame) => number, most: number, drop: (name: string, frame: Frame) => void) => void} */
  const trim = (amount, most, drop) => {
    let kept = 0;
    for (const [name, frame] of [...frames].reverse()) {
      kept += amount(frame);
      if (kept > most) drop(name, frame);
    }
  };
  return {
    clear() {
      frames.clear();
    },
    /** @param {any} message what is known of a frame, with its triangles by name */
    add({ matrices = [], ...message }) {
      const packed = matrices.map((/** @type {{ name: string }} */ { name }) => message[name]);
      for (const { name } of matrices) delete message[name];
      frames.delete(key(message.layer, message.kernel));
      frames.set(key(message.layer, message.kernel), { ...message, matrices, packed, full: null });
      trim(bytes, KEPT_BYTES, (name) => frames.delete(name));
    },
    /**
     * The frame as it came; this is no reason to keep it longer.
     *
     * @param {string} layer
     * @param {string} kernel
     */
    peek: (layer, kernel) => frames.get(key(layer, kernel)) ?? null,
    /**
     * @param {string} layer
     * @param {string} kernel
     */
    get(layer, kernel) {
      const frame = frames.get(key(layer, kernel));
      if (!frame) return null;
      frames.delete(key(layer, kernel)); // to the end of the line
      frames.set(key(layer, kernel), frame);
      if (!frame.full && frame.packed.length) {
        frame.full = unpackTriangles(frame, size);
        trim(
          (each) => (each.full ? each.packed.length * size * size : 0),
          KEPT_NUMBERS,
          (_, each) => {
            each.full = null;
          },
        );
      }
      return frame;
    },
  };
}

/**
 * One cell of every matrix of a frame, without unpacking any.
 *
 * @param {Frame} frame
 * @param {number} i
 * @param {number} j
 * @param {number} size
 * @returns {Record<string, number>}
 */
export function cellOf({ matrices, packed, exact }, i, j, size) {
  const [row, column] = i <= j ? [i, j] : [j, i];
  const place = row * size - (row * (row - 1)) / 2 + column - row;
  return Object.fromEntries(
    matrices.map(({ name, low, high }, k) => [name, decoder({ low, high, exact })(packed[k][place])]),
  );
}

/**
 * From a number as it came to the value it stands for.
 *
 * @param {{ low: number, high: number, exact: boolean }} how
 * @returns {(value: number) => number}
 */
export function decoder({ low, high, exact }) {
  const step = (high - low) / TOP_STEP;
  return exact ? (value) => value : (value) => (value === MISSING_STEP ? NaN : low + value * step);
}

/**
 * The values that many steps stand for; a plain loop, as there are many.
 *
 * @param {ArrayLike<number>} packed
 * @param {{ low: number, high: number }} ends
 */
export function decoded(packed, { low, high }) {
  const values = new Float32Array(packed.length);
  const step = (high - low) / TOP_STEP;
  for (let k = 0; k < values.length; k += 1) {
    const place = packed[k];
    values[k] = place === MISSING_STEP ? NaN : low + place * step;
  }
  return values;
}

/**
 * Returns name -> matrix, from upper triangles of numbers or of 16-bit steps.
 *
 * @param {Pick<Frame, "matrices" | "packed" | "exact">} frame
 * @param {number} size
 */
export function unpackTriangles(frame, size) {
  /** @type {Matrices} */
  const full = {};
  frame.matrices.forEach(({ name, low, high }, place) => {
    const values = frame.packed[place];
    const decode = decoder({ low, high, exact: frame.exact });
    const matrix = new Float32Array(size * size);
    let k = 0;
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) {
        const value = decode(values[k++]);
        matrix[i * size + j] = value;
        matrix[j * size + i] = value;
      }
    }
    full[name] = matrix;
  });
  return full;
}

/** @type {(matrix: Float32Array<ArrayBuffer>, number: number) => Float32Array<ArrayBuffer>} */
const plus = (matrix, number) => matrix.map((value) => value + number);
/** @type {(matrix: Float32Array<ArrayBuffer>, other: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>} */
const minus = (matrix, other) => matrix.map((value, k) => value - other[k]);

/**
 * What the three heatmaps show of a frame, and on which ranges: (low, high) for the levels, ±reach for the difference.
 *
 * @param {Frame & { full: Matrices }} frame
 * @param {{ baseline: string, excess: boolean, locked: Range | null }} choice
 * @param {number} size
 */
export function shownMatrices(frame, { baseline, excess, locked }, size) {
  const { full } = frame;
  const level = frame.null?.mean ?? 0;
  const semantic = full.semantic && (excess ? plus(full.semantic, -level) : full.semantic);
  const difference = semantic && minus(semantic, full[baseline]);
  /** @type {(name: string, shift?: number) => number[]} */
  const limits = (name, shift = 0) => {
    const found = frame.matrices.find((row) => row.name === name)?.off_diagonal;
    return found ? found.map((value) => value + shift) : [];
  };
  const levels = [...limits(baseline), ...limits("semantic", excess ? -level : 0)];
  const low = Math.min(0, ...levels);
  const high = Math.max(...levels);
  const range = locked ?? /** @type {Range} */ ([low, high > low ? high : low + 1]);
  const reach = difference ? offDiagonalReach(difference, size) : 0;
  return {
    /** those of the baseline, semantic, difference; undefined while they are not there */
    matrices: [full[baseline], semantic, difference],
    range,
    reach: Math.max(reach, LEAST_DIFFERENCE * (range[1] - range[0])),
  };
}

/**
 * The diagonal is known, and would take most of the colours from the rest.
 *
 * @param {Float32Array} matrix
 * @param {number} size
 */
function offDiagonalReach(matrix, size) {
  let reach = 0;
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      const value = Math.abs(matrix[i * size + j]);
      if (value > reach) reach = value;
    }
  }
  return reach;
}

/**
 * The part of a matrix that is about some images.
 *
 * @param {Float32Array} matrix
 * @param {number[]} rows
 * @param {number} size
 */
export function taken(matrix, rows, size) {
  const part = new Float32Array(rows.length ** 2);
  let k = 0;
  for (const row of rows) for (const column of rows) part[k++] = matrix[row * size + column];
  return part;
}

/**
 * Colour indices 0..254 on [low, high], rows and columns in the given order (null: as they are).
 *
 * @param {Float32Array} matrix
 * @param {Range} range
 * @param {number[] | null} order
 * @param {number} size
 */
export function colourIndices(matrix, [low, high], order, size) {
  const colours = new Uint8Array(size * size);
  const scale = TOP_COLOUR / (high > low ? high - low : 1);
  let k = 0;
  for (let row = 0; row < size; row++) {
    const start = (order ? order[row] : row) * size;
    for (let column = 0; column < size; column++) {
      const value = matrix[start + (order ? order[column] : column)];
      const place = (value - low) * scale;
      colours[k++] = Number.isNaN(value)
        ? MISSING_COLOUR
        : place <= 0
          ? 0
          : place >= TOP_COLOUR
            ? TOP_COLOUR
            : Math.round(place);
    }
  }
  return colours;
}

export const [SAME, OTHER, NEITHER] = [0, 1, 2];

/**
 * For each pair i < j: a label in common, none, or not known because one of the two has no label. Null without labels.
 *
 * @param {{ labels: string[] }[]} images
 */
export function pairKinds(images) {
  const names = [...new Set(images.flatMap((image) => image.labels))];
  if (!names.length) return null;
  const number = new Map(names.map((name, k) => [name, k]));
  const labels = images.map((image) => image.labels.map((name) => number.get(name)));
  const areSingle = labels.every((own) => own.length <= 1); // so for most sets, and a million pairs take their time
  /** @type {(i: number, j: number) => boolean} */
  const alike = areSingle
    ? (i, j) => labels[i][0] === labels[j][0]
    : (i, j) => labels[i].some((label) => labels[j].includes(label));
  const kinds = new Uint8Array((images.length * (images.length - 1)) / 2);
  let k = 0;
  for (let i = 0; i < labels.length; i++) {
    for (let j = i + 1; j < labels.length; j++) {
      kinds[k++] = !labels[i].length || !labels[j].length ? NEITHER : alike(i, j) ? SAME : OTHER;
    }
  }
  return kinds;
}

/**
 * How the pairs are spread over [low, high]: the share of each kind in each bin. Without kinds, all count as OTHER.
 *
 * @param {Float32Array} matrix
 * @param {Uint8Array | null} kinds
 * @param {Range} range
 * @param {number} bins
 * @param {number} size
 * @returns {[same: Float64Array | null, other: Float64Array | null]}
 */
export function spread(matrix, kinds, [low, high], bins, size) {
  const counts = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  const scale = bins / (high - low);
  let k = 0;
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++, k++) {
      const bin = Math.floor((matrix[i * size + j] - low) * scale);
      if (bin >= 0 && bin <= bins) counts[kinds ? kinds[k] : OTHER][Math.min(bins - 1, bin)]++;
    }
  }
  /** @param {number} kind */
  const shares = (kind) => {
    const total = counts[kind].reduce((sum, count) => sum + count, 0);
    return total ? counts[kind].map((count) => count / total) : null;
  };
  return [shares(SAME), shares(OTHER)];
}

/**
 * Of how many other pairs a value is above: of those without a label in common, of all where kinds are not known. Ties
 * count half; null where there is no other pair.
 *
 * @param {Float32Array} matrix
 * @param {Uint8Array | null} kinds
 * @param {number} size
 * @param {[number, number]} pair
 */
export function shareBelow(matrix, kinds, size, [row, column]) {
  const value = matrix[row * size + column];
  const [first, second] = [Math.min(row, column), Math.max(row, column)];
  let [below, all, k] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++, k++) {
      const other = matrix[i * size + j];
      if ((kinds && kinds[k] !== OTHER) || (i === first && j === second) || Number.isNaN(other)) continue;
      all++;
      below += other < value ? 1 : other === value ? 0.5 : 0;
    }
  }
  return all && !Number.isNaN(value) ? below / all : null;
}
