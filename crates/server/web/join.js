// The form to join.

import { byId, say } from "./dom.js";
import { enter, outcomeOf } from "./player.js";
import { messageOf, send } from "./server.js";

/** @param {SubmitEvent} event */
export async function join(event) {
  event.preventDefault();
  const username = byId("username", HTMLInputElement).value.trim();
  const name = byId("name", HTMLInputElement).value.trim();
  if (!username) return say("A name needs at least one letter.", "bad");
  const button = byId("join", HTMLButtonElement);
  button.disabled = true;
  say("Joining…", "wait");
  try {
    await send("/add", { username, platform: "web", ...(name && { name }) }, say);
    const found = await outcomeOf(username, (found) => (found && (!name || found.name === name) ? found : undefined));
    if (found) enter(username);
    else say("Your name has arrived, but the server is slow today. Join again in a moment.", "wait");
  } catch (error) {
    say(messageOf(error), "bad");
  }
  button.disabled = false;
}
