// What the page knows. Modules share this object; `stage.js` and `board.js` show it.

/**
 * @typedef {object} State
 * @property {string | null} me the username that plays
 * @property {import("./types").Player | null} player its latest /fetch/self
 * @property {import("./types").LiveRound | null} live the latest round of /live
 * @property {import("./types").Round | null} lit the latest round, with the closes_at of this player
 * @property {number} pressedRound the round that has a counted press
 * @property {number} toldPress arrived_at of the latest counted press that was shown
 */

/** @type {State} */
export const state = { me: null, player: null, live: null, lit: null, pressedRound: 0, toldPress: 0 };

const KEY = "buttonparty.username";

/**
 * Stores the username for the next visit. Storage may be forbidden; then the player enters it again.
 *
 * @param {string | null} username
 */
export function remember(username) {
  try {
    if (username === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, username);
  } catch { /* forbidden */ }
}

export function recall() {
  try {
    return localStorage.getItem(KEY) || null;
  } catch {
    return null;
  }
}
