// Colour indices as the pixels of a canvas.

/**
 * Red, green and blue.
 *
 * @param {string} colour "#rrggbb"
 */
export const channels = (colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

/**
 * Gives a canvas as many pixels as there are cells, and their colours.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} colours indices into the palette, row by row; one past its end is left transparent
 * @param {{ rows: number, columns: number, palette: string[] }} how the palette is of "#rrggbb"
 */
export function drawPixels(canvas, colours, { rows, columns, palette }) {
  canvas.width = columns;
  canvas.height = rows;
  const table = new Uint32Array(256);
  palette.forEach((colour, k) => {
    const [red, green, blue] = channels(colour);
    table[k] = (255 << 24) | (blue << 16) | (green << 8) | red; // RGBA in memory on every machine that runs browsers
  });
  const pixels = new Uint32Array(rows * columns);
  for (let k = 0; k < pixels.length; k += 1) pixels[k] = table[colours[k]];
  canvas.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), columns, rows), 0, 0);
}
