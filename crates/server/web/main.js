// Starts the page.

import { buy } from "./buy.js";
import { $, byId, say, setText } from "./dom.js";
import { join } from "./join.js";
import { listen } from "./live.js";
import { lightNow, renderWait, showOperator } from "./operator.js";
import { arrange, leave, refreshIn } from "./player.js";
import { press } from "./press.js";
import { curveWords, rules } from "./rules.js";
import { fill } from "./shelf.js";
import { render } from "./stage.js";
import { recall, state } from "./state.js";

const RENDER_MS = 100;

$("button").onclick = press;
$("button").onkeydown = (event) => {
  if (event.repeat) event.preventDefault(); // holding a key is one press
};
byId("join-form", HTMLFormElement).onsubmit = join;
$("leave").onclick = () => leave("");
$("light-now").onclick = lightNow;
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refreshIn(0);
});
showOperator();
rules.then((rules) => {
  setText("curve", `: ${curveWords(rules)}`);
  fill(rules, buy);
});
state.me = recall();
if (state.me !== null) {
  setText("me", state.me);
  say("Welcome back! Asking the server…", "wait");
}
arrange();
refreshIn(0);
setInterval(() => {
  render();
  renderWait();
}, RENDER_MS);
listen();
