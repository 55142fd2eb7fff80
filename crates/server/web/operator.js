// "Light it now", which `dev` shows: its page has the operator token.

import { $, sayLight, seconds, setText } from "./dom.js";
import { Refused, call, messageOf } from "./server.js";

const token = document.querySelector("meta[name=operator-token]")?.getAttribute("content") ?? "";

/** Until then, by `performance.now()`, rounds would overlap; 0 if unknown. */
let waitUntil = 0;

export function showOperator() {
  const isDev = token !== "";
  $("operator").hidden = !isDev;
  setText("hint", isDev ? "The next round opens by surprise — dev mode: about once a minute."
    : "The next round opens by surprise, in minutes or in hours. Keep this page open.");
}

export async function lightNow() {
  const headers = { Authorization: `Bearer ${token}` };
  try {
    const { round } = await call("/admin/rounds", { method: "POST", headers });
    sayLight(`Round ${round} is on its way. Watch the button!`);
  } catch (error) {
    const waitMs = error instanceof Refused && error.status === 409 ? error.problem.retry_after_ms : undefined;
    if (waitMs === undefined) sayLight(messageOf(error));
    else {
      waitUntil = performance.now() + waitMs;
      sayLight(`Not yet: rounds must not overlap. Wait ${seconds(waitMs)} s more.`);
    }
  }
  renderWait();
}

export function renderWait() {
  const waitMs = waitUntil - performance.now();
  if (waitUntil > 0 && waitMs <= 0) {
    waitUntil = 0;
    sayLight("");
  }
  setText("light-now", waitMs > 0 ? `Light it now (${seconds(waitMs)} s)` : "Light it now");
}
