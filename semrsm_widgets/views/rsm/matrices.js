// The matrices of a frame (see _rsm_frames.py): unpacked, subtracted, counted and coloured. All are N x N, row by row.

const MISSING_COLOUR = 255; // drawn transparent
const TOP_COLOUR = 254;
const MISSING_STEP = 65535;
const TOP_STEP = 65534;
const KEPT_BYTES = 96 * 2 ** 20; // of frames as they came; the kernel sends a dropped one again
const KEPT_NUMBERS = 24e6; // of unpacked matrices, 4 bytes each

// Frames by layer and kernel. Those that were not looked at for longest are dropped when they take too much memory.
function frameStore(size) {
  const frames = new Map();
  const key = (layer, kernel) => `${layer}\n${kernel}`;
  const bytes = (frame) => frame.packed.reduce((sum, buffer) => sum + buffer.byteLength, 0);
  const trim = (amount, most, drop) => {
    let kept = 0;
    for (const [name, frame] of [...frames].reverse()) {
      kept += amount(frame);
      if (kept > most) drop(name, frame);
    }
  };
  return {
    clear() { frames.clear(); },
    add(content, buffers) {
      frames.delete(key(content.layer, content.kernel));
      frames.set(key(content.layer, content.kernel), { ...content, packed: buffers, full: null });
      trim(bytes, KEPT_BYTES, (name) => frames.delete(name));
    },
    get(layer, kernel) {
      const frame = frames.get(key(layer, kernel));
      if (!frame) return null;
      frames.delete(key(layer, kernel)); // to the end of the line
      frames.set(key(layer, kernel), frame);
      if (!frame.full && frame.packed.length) {
        frame.full = unpack(frame, size);
        trim((each) => (each.full ? each.packed.length * size * size : 0), KEPT_NUMBERS, (_, each) => { each.full = null; });
      }
      return frame;
    },
  };
}

// Returns name -> matrix, from upper triangles of numbers or of 16-bit steps.
function unpack(frame, size) {
  const full = {};
  frame.matrices.forEach(({ name, low, high }, place) => {
    const values = asArray(frame.packed[place], frame.exact ? Float32Array : Uint16Array);
    const step = (high - low) / TOP_STEP;
    const decode = frame.exact ? (value) => value : (value) => (value === MISSING_STEP ? NaN : low + value * step);
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

const plus = (matrix, number) => matrix.map((value) => value + number);
const minus = (matrix, other) => matrix.map((value, k) => value - other[k]);

// What the three heatmaps show of a frame, and on which ranges: (low, high) for the levels, ±reach for the difference.
function shownMatrices(frame, { baseline, excess, locked }, size) {
  const { full } = frame;
  const level = frame.null?.mean ?? 0;
  const semantic = full.semantic && (excess ? plus(full.semantic, -level) : full.semantic);
  const difference = semantic && minus(semantic, full[baseline]);
  const limits = (name, shift = 0) => {
    const found = frame.matrices.find((row) => row.name === name)?.off_diagonal;
    return found ? found.map((value) => value + shift) : [];
  };
  const levels = [...limits(baseline), ...limits("semantic", excess ? -level : 0)];
  const low = Math.min(0, ...levels);
  const high = Math.max(...levels);
  const reach = difference ? offDiagonalReach(difference, size) : 0;
  return {
    baseline: full[baseline], semantic, difference,
    range: locked ?? [low, high > low ? high : low + 1],
    reach: reach > 0 ? reach : 1,
  };
}

// The diagonal is known, and would take most of the colours from the rest.
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

// Colour indices 0..254 on [low, high], rows and columns in the given order (null: as they are).
function colourIndices(matrix, [low, high], order, size) {
  const colours = new Uint8Array(size * size);
  const scale = TOP_COLOUR / (high > low ? high - low : 1);
  let k = 0;
  for (let row = 0; row < size; row++) {
    const start = (order ? order[row] : row) * size;
    for (let column = 0; column < size; column++) {
      const value = matrix[start + (order ? order[column] : column)];
      const place = (value - low) * scale;
      colours[k++] = Number.isNaN(value) ? MISSING_COLOUR : place <= 0 ? 0 : place >= TOP_COLOUR ? TOP_COLOUR : Math.round(place);
    }
  }
  return colours;
}

const [SAME, OTHER, NEITHER] = [0, 1, 2];

// For each pair i < j: a label in common, none, or not known because one of the two has no label. Null without labels.
function pairKinds(images) {
  const names = [...new Set(images.flatMap((image) => image.labels))];
  if (!names.length) return null;
  const number = new Map(names.map((name, k) => [name, k]));
  const labels = images.map((image) => image.labels.map((name) => number.get(name)));
  const alike = labels.every((own) => own.length <= 1) // so for most sets, and a million pairs take their time
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

// How the pairs are spread over [low, high]: the share of each kind in each bin. Without kinds, all count as OTHER.
function spread(matrix, kinds, [low, high], bins, size) {
  const counts = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  const scale = bins / (high - low);
  let k = 0;
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++, k++) {
      const bin = Math.floor((matrix[i * size + j] - low) * scale);
      if (bin >= 0 && bin <= bins) counts[kinds ? kinds[k] : OTHER][Math.min(bins - 1, bin)]++;
    }
  }
  return [SAME, OTHER].map((kind) => {
    const total = counts[kind].reduce((sum, count) => sum + count, 0);
    return total ? counts[kind].map((count) => count / total) : null;
  });
}
