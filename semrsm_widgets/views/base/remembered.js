// What the browser remembers for all notebooks: small choices of a person, never anything of a notebook's content.

const PREFIX = "srsm-";

/** @param {string} name */
export function kept(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // a page that may keep nothing
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // it holds until the page is left
  }
}
