// The player: reading its state, and joining or leaving the page.

import { markMe } from "./board.js";
import { hearTime } from "./clock.js";
import { $, byId, number, points, say, sayShop, setText, sleep } from "./dom.js";
import { Busy, Refused, call, messageOf, pauseOf } from "./server.js";
import { markAffordable } from "./shelf.js";
import { render } from "./stage.js";
import { remember, state } from "./state.js";

/** @typedef {import("./types").Player} Player */

const OUTCOME_MS_MAX = 10_000;
const REFRESH_MS = 15_000;
const REFRESH_HIDDEN_MS = 60_000;

let looks = 0;
let shownLook = 0;

/**
 * Reads a player; `null` if the server does not know the username. Answers may overtake each other: an older one is not
 * shown.
 *
 * @param {string} username
 * @returns {Promise<Player | null>}
 */
async function look(username) {
  const turn = ++looks;
  const asked = performance.now();
  try {
    const found = await call(`/fetch/self?username=${encodeURIComponent(username)}`);
    hearTime(found.now, asked);
    if (username === state.me && turn > shownLook) {
      shownLook = turn;
      show(found);
    }
    return found;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

/**
 * Reads a player until `judge` returns something; `undefined` after ten seconds.
 *
 * @template T
 * @param {string} username
 * @param {(found: Player | null) => T | undefined} judge
 * @returns {Promise<T | undefined>}
 */
export async function outcomeOf(username, judge) {
  const until = performance.now() + OUTCOME_MS_MAX;
  for (let wait = 50; performance.now() < until; wait = Math.min(wait * 2, 1_600)) {
    await sleep(wait);
    try {
      const outcome = judge(await look(username));
      if (outcome !== undefined) return outcome;
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      await sleep(error.pauseMs);
    }
  }
  return undefined;
}

let refreshAt = Infinity;
/** @type {number | undefined} */
let refreshTimer;
let quietUntil = 0;

/**
 * Plans a refresh, unless an earlier one is planned.
 *
 * @param {number} ms
 */
export function refreshIn(ms) {
  const at = Math.max(performance.now() + ms, quietUntil);
  if (at >= refreshAt) return;
  refreshAt = at;
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(refresh, at - performance.now());
}

async function refresh() {
  refreshAt = Infinity;
  const username = state.me;
  if (username === null) return;
  try {
    if (await look(username) === null && username === state.me) leaveUnknown(username);
  } catch (error) {
    quietUntil = performance.now() + pauseOf(error);
    if (state.player === null) say(`${messageOf(error)} Trying again…`, "bad");
    refreshIn(state.player === null ? 2_000 : REFRESH_MS);
  }
  // With jitter, so that a crowd does not ask at the same time.
  refreshIn((document.hidden ? REFRESH_HIDDEN_MS : REFRESH_MS) * (0.8 + 0.4 * Math.random()));
}

/** @param {Player} found */
function show(found) {
  const isFirst = state.player === null;
  state.player = found;
  if (found.round) {
    // Compared by time: a new game counts rounds from 1 again.
    if (!state.lit || found.round.opens_at >= state.lit.opens_at) state.lit = found.round;
    state.pressedRound = found.pressed ? found.round.round : 0;
  }
  setText("me", found.name ?? found.username);
  setText("score", number(found.score));
  setText("streak", number(found.streak));
  setText("rank", found.rank === null ? "–" : number(found.rank));
  markAffordable();
  if (isFirst) {
    const last = found.last_press;
    if (last?.outcome === "counted") state.toldPress = last.arrived_at;
    say(last ? `Your last press: ${pressWords(last)}` : "Welcome to the party!");
    sayShop("What would you like?");
  }
  render();
}

/** @param {import("./types").Press} press */
export function pressWords({ outcome, points: gained }) {
  switch (outcome) {
    case "counted": return `Counted! +${points(gained)}.`;
    case "not_open": return "The button was dark: no round was open.";
    case "already_pressed": return "You already pressed in this round. Once is enough!";
    case "too_late": return "Too late: the light had gone out.";
    default: return `The server says: ${outcome}.`;
  }
}

/** @param {string} username */
export function enter(username) {
  state.me = username;
  state.player = null;
  remember(username);
  byId("name", HTMLInputElement).value = "";
  setText("me", username);
  for (const id of ["score", "streak", "rank"]) setText(id, "–");
  $("button").focus({ preventScroll: true });
  arrange();
  refreshIn(0);
}

/** @param {string} why */
export function leave(why) {
  const username = byId("username", HTMLInputElement);
  username.value = state.me ?? "";
  Object.assign(state, { me: null, player: null, lit: state.live, pressedRound: 0, toldPress: 0 });
  remember(null);
  say(why);
  arrange();
  username.focus();
}

/** @param {string} username */
export const leaveUnknown = (username) => leave(`The game does not know “${username}”. Join again!`);

/** Shows the form to join or the player, and hides the other. */
export function arrange() {
  $("join-form").hidden = $("how").hidden = state.me !== null;
  $("player").hidden = $("shop").hidden = state.me === null;
  markMe();
  render();
}
