// The button, its countdown, the active powerups, and the confetti.

import { serverNow } from "./clock.js";
import { $, element, number, reducedMotion, seconds, setText } from "./dom.js";
import { KINDS, LOOKS } from "./powerups.js";
import { state } from "./state.js";

/** The round whose last ten seconds were announced. */
let warned = 0;

export function render() {
  const { lit, pressedRound } = state;
  const now = serverNow();
  const leftMs = lit && lit.opens_at <= now ? lit.closes_at - now : 0;
  const lightMs = lit ? lit.closes_at - lit.opens_at : 0;
  const light = leftMs <= 0 ? "dark" : lit?.round === pressedRound ? "pressed" : "lit";
  document.body.dataset.light = light;
  $("ring").style.setProperty("--left", leftMs > 0 ? Math.min(1, leftMs / lightMs).toFixed(4) : "0");
  setText("countdown", leftMs > 0 ? `${seconds(leftMs)} s left` : "");
  setText("face", { dark: "Dark", lit: "PRESS!", pressed: "✓ Got it" }[light]);
  if (lit && light === "lit" && leftMs <= 10_000 && lightMs > 15_000) warned = lit.round;
  setText("round-state", roundWords(light));
  document.title = light === "lit" ? "🔴 Press now! · ButtonParty" : "ButtonParty";
  renderActive(now);
}

/**
 * A screen reader announces these: the opening, the last ten seconds and the close, not every second.
 *
 * @param {"dark" | "lit" | "pressed"} light
 */
function roundWords(light) {
  switch (light) {
    case "pressed": return "You pressed! See you next round.";
    case "lit": return state.lit?.round === warned ? "Last ten seconds!" : "It is lit. Press now!";
    case "dark": return state.lit ? "The light is out. Wait for the next…" : "Dark. Wait for the light…";
  }
}

/** @param {number} now */
function renderActive(now) {
  const lines = KINDS.flatMap((kind) => {
    const powerup = state.player?.powerups[kind];
    if (!powerup || powerup.until <= now) return [];
    /** @type {Intl.DateTimeFormatOptions} */
    const format = { weekday: "short", hour: "2-digit", minute: "2-digit" };
    const until = new Date(powerup.until).toLocaleString("en-GB", format);
    return [`${LOOKS[kind].icon} ${LOOKS[kind].active(powerup.quantity)} until ${until}`];
  });
  const list = $("active");
  if (lines.join() === [...list.children].map((item) => item.textContent).join()) return;
  list.replaceChildren(...lines.map((line) => element("li", line)));
}

/** @param {number} gained */
export function celebrate(gained) {
  if (reducedMotion.matches) return;
  const pieces = Array.from({ length: 18 }, (_, index) => element("span", ["🎉", "⭐", "✨"][index % 3] ?? ""));
  const nodes = [element("span", `+${number(gained)}`, "points"), ...pieces];
  $("party").replaceChildren(...nodes);
  nodes.forEach((node, index) => {
    const angle = index * 2.4;
    const far = 110 + (index * 37) % 80;
    const [x, y] = [Math.cos(angle) * far, Math.sin(angle) * far];
    const flight = `translate(${x}px, ${y}px) rotate(${index * 40}deg)`;
    const to = index === 0 ? "translateY(-90px) scale(1.3)" : flight;
    const frames = [{ transform: "scale(.4)", opacity: 1 }, { opacity: 1, offset: .6 }, { transform: to, opacity: 0 }];
    node.animate(frames, { duration: 1500, easing: "ease-out" });
  });
}
