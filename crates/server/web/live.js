// Live events: rounds and the board, from GET /live.

import { showBoard } from "./board.js";
import { hearTime } from "./clock.js";
import { $, say, setText } from "./dom.js";
import { refreshIn } from "./player.js";
import { render } from "./stage.js";
import { state } from "./state.js";

/** An event is at most this old when it arrives. */
const EVENT_LATE_MS_MAX = 5_000;

export function listen(attempt = 0) {
  const source = new EventSource("/live");
  source.onopen = () => {
    attempt = 0;
    showLink("live", true);
    refreshIn(0);
  };
  source.onerror = () => {
    showLink("reconnecting…", false);
    // The browser reconnects by itself unless the server refused the connection.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, Math.min(500 * 2 ** attempt, 15_000) * (0.5 + Math.random()), attempt + 1);
  };
  source.addEventListener("round", (event) => showRound(JSON.parse(event.data)));
  source.addEventListener("board", (event) => {
    showBoard(JSON.parse(event.data));
    if (!document.hidden) refreshIn(3_000 + Math.random() * 3_000); // ranks below the top change too
  });
}

/**
 * @param {string} text
 * @param {boolean} isUp
 */
function showLink(text, isUp) {
  setText("link", text);
  $("link").toggleAttribute("data-up", isUp);
}

/** @param {import("./types").LiveRound} round */
function showRound(round) {
  state.live = round;
  hearTime(round.now, performance.now() - EVENT_LATE_MS_MAX);
  if (!state.lit || round.opens_at > state.lit.opens_at) {
    state.lit = round;
    if ($("outcome").dataset.tone === "bad") say(""); // it was about the dark button
  }
  // An extender changes the close for this player. After the close a streak may be broken.
  refreshIn(Math.random() * (state.player?.powerups.EXTENDER ? 300 : 2_000));
  render();
}
