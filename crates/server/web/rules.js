// The rules that the page shows, from GET /rules.

import { sleep } from "./dom.js";
import { call } from "./server.js";

/** @returns {Promise<import("./types").Rules>} */
async function load() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 15_000)) {
    try {
      return await call("/rules", { cache: "default" });
    } catch {
      await sleep(wait * (0.75 + Math.random() / 2));
    }
  }
}

/** Resolves as soon as the server has answered; it never rejects. */
export const rules = load();

/**
 * The points of a counted press that makes the streak this long.
 *
 * @param {import("./types").Rules} rules
 * @param {number} streak
 */
export const pointsOf = ({ streak_squared_from }, streak) => (streak < streak_squared_from ? streak : streak ** 2);

/**
 * The points of a streak in words: `1, 2, 3 … and from the 10th on 100, 121, 144`.
 *
 * @param {import("./types").Rules} rules
 */
export function curveWords(rules) {
  const from = rules.streak_squared_from;
  const list = (/** @type {number} */ first) => [0, 1, 2].map((more) => pointsOf(rules, first + more)).join(", ");
  return `${list(1)} … and from the ${ordinal(from)} on ${list(from)}`;
}

/** @param {number} n */
function ordinal(n) {
  const suffixes = { zero: "th", one: "st", two: "nd", few: "rd", many: "th", other: "th" };
  return `${n}${suffixes[new Intl.PluralRules("en", { type: "ordinal" }).select(n)]}`;
}
