// The shop: one row of buttons per kind of powerup.

import { $, element } from "./dom.js";
import { KINDS, LOOKS, explained } from "./powerups.js";
import { state } from "./state.js";

/** @typedef {import("./types").Kind} Kind */
/** @typedef {import("./types").Level} Level */

/** @returns {NodeListOf<HTMLButtonElement>} */
const buttons = () => document.querySelectorAll(".level");

let locked = false;

/**
 * Prevents further purchases while one is in progress. The buttons are not `disabled`, because that would take the
 * keyboard focus away.
 *
 * @param {boolean} lock
 */
export function setLocked(lock) {
  locked = lock;
  for (const button of buttons()) button.setAttribute("aria-disabled", String(lock));
}

/** Marks the levels that cost more than the player has. */
export function markAffordable() {
  const score = state.player?.score;
  for (const button of buttons()) {
    button.toggleAttribute("data-short", score !== undefined && score < Number(button.dataset.price));
  }
}

/**
 * @param {import("./types").Rules} rules
 * @param {(kind: Kind, level: Level) => void} buy
 */
export function fill(rules, buy) {
  for (const kind of KINDS) {
    const { icon, title } = LOOKS[kind];
    const row = element("div", "", "levels");
    row.append(...rules.powerups[kind].map((level) => levelButton(kind, level, buy)));
    const group = element("div", "", "kind");
    const about = element("p", explained(kind, rules.powerups[kind]), "quiet");
    group.append(element("h3", `${icon} ${title}`), about, row);
    $("shop").append(group);
  }
  markAffordable();
}

/**
 * @param {Kind} kind
 * @param {Level} level
 * @param {(kind: Kind, level: Level) => void} buy
 */
function levelButton(kind, level, buy) {
  const { quantity, price } = level;
  const name = LOOKS[kind].level(quantity);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "level";
  Object.assign(button.dataset, { kind, quantity, price });
  button.setAttribute("aria-label", `Buy ${LOOKS[kind].title} ${name} for ${price} points`);
  button.append(element("b", name), element("span", `${price} pts`));
  button.onclick = () => {
    if (!locked && state.me !== null) buy(kind, level);
  };
  return button;
}
