// A press: sending it, and finding out what it brought.

import { $, say } from "./dom.js";
import { leaveUnknown, outcomeOf, pressWords, refreshIn } from "./player.js";
import { rules } from "./rules.js";
import { messageOf, send } from "./server.js";
import { celebrate } from "./stage.js";
import { state } from "./state.js";

/** @typedef {import("./types").Player} Player */
/** @typedef {import("./types").Press} Press */

/** Only the latest press shows its outcome. */
let latest = 0;

/** The factor of the longest extender. A press does not wait for it: it only tells a press apart from its repetition. */
let extenderMax = 1;
void rules.then(({ powerups }) => {
  extenderMax = Math.max(...powerups.EXTENDER.map(({ quantity }) => quantity));
});

export async function press() {
  const username = state.me;
  if (username === null) {
    say("Pick a name first, then press.", "bad");
    $("username").focus();
    return;
  }
  const turn = ++latest;
  const isLatest = () => turn === latest && username === state.me;
  /** @type {import("./types").Tell} */
  const tell = (text, tone) => {
    if (isLatest()) say(text, tone);
  };
  tell("Pressed! Asking the server…", "wait");
  try {
    const { arrived_at } = await send("/press", { username }, tell);
    const judge = (/** @type {Player | null} */ found) =>
      turn === latest ? judgePress(found, arrived_at, extenderMax) : null;
    const judged = await outcomeOf(username, judge);
    if (isLatest()) showJudged(username, judged, tell);
  } catch (error) {
    tell(messageOf(error), "bad");
  }
}

/**
 * @param {string} username
 * @param {Judged | null | undefined} judged
 * @param {import("./types").Tell} tell
 */
function showJudged(username, judged, tell) {
  if (judged === "unknown") return leaveUnknown(username);
  if (!judged) {
    return tell("Your press has arrived. The server has not judged it yet; your score will show it.", "wait");
  }
  const { outcome, points, arrived_at } = judged;
  tell(pressWords(judged), outcome === "counted" ? "good" : "bad");
  if (outcome === "counted") {
    state.toldPress = arrived_at;
    celebrate(points);
  }
  refreshIn(1_000); // the rank follows the score
}

/** @typedef {"unknown" | Press} Judged */

/**
 * The outcome of the press that arrived at this time; `undefined` while it is not known.
 *
 * @param {Player | null} found
 * @param {number} arrivedAt
 * @param {number} factorMax of the longest extender
 * @returns {Judged | undefined}
 */
function judgePress(found, arrivedAt, factorMax) {
  if (found === null) return "unknown";
  const last = found.last_press;
  if (!last) return undefined;
  if (last.arrived_at >= arrivedAt) return last;
  // A counted press stays the last one when others follow in its round. It is shown unless it was shown before: after a
  // double click, or a retry whose first answer was lost.
  const { live } = state;
  const isOfLiveRound = live !== null && last.round === live.round
    && arrivedAt <= live.opens_at + factorMax * (live.closes_at - live.opens_at);
  const isOfRound = (found.round !== null && found.round.round === last.round) || isOfLiveRound;
  if (last.outcome !== "counted" || !isOfRound) return undefined;
  return last.arrived_at > state.toldPress ? last : { ...last, outcome: "already_pressed", points: 0 };
}
