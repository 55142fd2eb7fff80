// A purchase: sending it, and finding out whether it was accepted.

import { number, sayShop } from "./dom.js";
import { leaveUnknown, outcomeOf } from "./player.js";
import { LOOKS } from "./powerups.js";
import { messageOf, send } from "./server.js";
import { setLocked } from "./shelf.js";
import { state } from "./state.js";

/**
 * @param {import("./types").Kind} kind
 * @param {import("./types").Level} level
 */
export async function buy(kind, { quantity, price }) {
  const username = state.me;
  if (username === null) return;
  const item = `${LOOKS[kind].title} ${LOOKS[kind].level(quantity)}`;
  const key = randomKey();
  /** @type {import("./types").Tell} */
  const tell = (text, tone) => {
    if (username === state.me) sayShop(text, tone);
  };
  setLocked(true);
  tell(`Buying ${item}…`, "wait");
  try {
    await send("/powerups", { username, powerUpType: kind, quantity }, tell, { "Idempotency-Key": key });
    const outcome = await outcomeOf(username, (found) => {
      if (found === null) return "unknown";
      return found.last_purchase?.id === key ? found.last_purchase.outcome : undefined;
    });
    if (outcome === "unknown") {
      if (username === state.me) leaveUnknown(username);
    } else if (outcome === undefined) {
      tell("Your order has arrived. The server has not judged it yet; your score will show it.", "wait");
    } else {
      tell(purchaseWords(outcome, item, price), outcome === "bought" ? "good" : "bad");
    }
  } catch (error) {
    tell(messageOf(error), "bad");
  }
  setLocked(false);
}

/** 32 hex digits. `crypto.randomUUID` exists on https pages only. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} outcome
 * @param {string} item
 * @param {number} price
 */
function purchaseWords(outcome, item, price) {
  switch (outcome) {
    case "bought": return `Bought: ${item}. Enjoy!`;
    case "higher_level_active": return "Not bought: a higher level is active. Nothing was charged.";
    case "not_enough_points": return `Not enough points: ${item} costs ${number(price)}.`;
    default: return `The server says: ${outcome}.`;
  }
}
