// The board: the best players, with the player's own row marked.

import { $, element, number, reducedMotion } from "./dom.js";
import { state } from "./state.js";

/** @returns {HTMLElement[]} */
const items = () => [...document.querySelectorAll(/** @type {"li"} */ ("#board > li"))];

/** @param {import("./types").BoardRow[]} rows */
export function showBoard(rows) {
  const before = new Map(items().map((item) => [item.dataset.username, item]));
  const tops = new Map(items().map((item) => [item.dataset.username, item.offsetTop]));
  $("board").replaceChildren(...rows.map((row) => {
    const item = before.get(row.username) ?? element("li", "");
    item.dataset.username = row.username;
    item.title = row.username;
    const name = element("bdi", row.name ?? row.username);
    item.replaceChildren(element("span", `${row.rank}.`, "rank"), name, element("span", number(row.score), "points"));
    return item;
  }));
  $("nobody").hidden = rows.length > 0;
  markMe();
  if (!reducedMotion.matches) slide(tops);
}

/**
 * Moves each row from where it was to where it is.
 *
 * @param {Map<string | undefined, number>} tops
 */
function slide(tops) {
  for (const item of items()) {
    const from = tops.get(item.dataset.username);
    if (from === item.offsetTop) continue;
    const appears = [{ opacity: 0 }, { opacity: 1 }];
    const moves = [{ transform: `translateY(${(from ?? 0) - item.offsetTop}px)` }, { transform: "none" }];
    item.animate(from === undefined ? appears : moves, { duration: 450, easing: "ease-out" });
  }
}

export function markMe() {
  for (const item of items()) {
    const mine = item.dataset.username === state.me;
    item.classList.toggle("me", mine);
    if (mine) item.setAttribute("aria-current", "true");
    else item.removeAttribute("aria-current");
  }
}
