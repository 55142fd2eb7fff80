// How the three kinds of powerup are shown. Levels, prices and durations come from the server.

/** @typedef {import("./types").Kind} Kind */
/** @typedef {import("./types").Level} Level */

/**
 * @typedef {object} Look
 * @property {string} icon
 * @property {string} title
 * @property {(quantity: number) => string} level names a level
 * @property {(quantity: number) => string} active names the effect of an active powerup
 * @property {(hours: number) => string} does explains the kind
 */

/** @type {Record<Kind, Look>} */
export const LOOKS = {
  FREEZE: {
    icon: "❄️",
    title: "Freeze",
    level: (hours) => `${hours} h`,
    active: () => "Streak frozen",
    does: () => "Rounds you miss do not break your streak. Buying again adds the hours.",
  },
  MULTIPLIER: {
    icon: "✨",
    title: "Multiplier",
    level: (factor) => `×${factor}`,
    active: (factor) => `Points ×${factor}`,
    does: (hours) => `Every press brings that many times the points, for ${hours} hours.`,
  },
  EXTENDER: {
    icon: "⏳",
    title: "Extender",
    level: (factor) => `×${factor}`,
    active: (factor) => `Light ×${factor}`,
    does: (hours) => `The button stays lit that much longer for you, for ${hours} hours, from the next round on.`,
  },
};

/** @type {Kind[]} */
export const KINDS = ["FREEZE", "MULTIPLIER", "EXTENDER"];

/**
 * @param {Kind} kind
 * @param {Level[]} levels
 */
export function explained(kind, levels) {
  return LOOKS[kind].does((levels[0]?.duration_ms ?? 0) / 3_600_000);
}
