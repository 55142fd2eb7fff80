// Elements of the page, and how numbers and times are written.

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/** @param {string} id */
export const $ = (id) => byId(id, HTMLElement);

/**
 * Changes the text only if it differs: a screen reader announces every change.
 *
 * @param {string} id
 * @param {string} text
 */
export function setText(id, text) {
  const found = $(id);
  if (found.textContent !== text) found.textContent = text;
}

/**
 * @param {string} id
 * @returns {import("./types").Tell}
 */
function teller(id) {
  return (text, tone = "") => {
    $(id).dataset.tone = tone;
    setText(id, text);
  };
}

export const say = teller("outcome");
export const sayShop = teller("shop-outcome");
export const sayLight = teller("light-outcome");

/**
 * @param {string} tag
 * @param {string} text
 * @param {string} [className]
 */
export function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

/** @param {number} n */
export const number = (n) => n.toLocaleString("en");

/** @param {number} n */
export const points = (n) => `${number(n)} ${n === 1 ? "point" : "points"}`;

/** @param {number} ms */
export const seconds = (ms) => Math.max(1, Math.ceil(ms / 1000));

/** @param {number} ms */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The user asks for less motion. */
export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
