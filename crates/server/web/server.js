// Requests to the server, and their retries.

import { seconds, sleep } from "./dom.js";

const REQUEST_MS_MAX = 10_000;
const SEND_MS_MAX = 30_000;
const RETRY_STATUS = [408, 429, 502, 503, 504];

/** The server refused the request; a retry would be refused too. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {import("./types").Problem} problem
   */
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server said ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

/** The request failed for now; a retry after the pause may succeed. */
export class Busy extends Error {
  /**
   * @param {string} message
   * @param {number} pauseMs
   */
  constructor(message, pauseMs) {
    super(message);
    this.pauseMs = pauseMs;
  }
}

/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** @param {unknown} error */
export const pauseOf = (error) => (error instanceof Busy ? error.pauseMs : 0);

/**
 * Sends a request and returns the JSON of its answer. Throws `Refused` or `Busy`.
 *
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function call(path, options = {}) {
  let response, body;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(REQUEST_MS_MAX), ...options });
    const { ok } = response;
    body = await response.json().catch((error) => {
      if (ok) throw error;
      return {};
    });
  } catch {
    throw new Busy("The server cannot be reached.", 0);
  }
  if (response.ok) return body;
  if (!RETRY_STATUS.includes(response.status)) throw new Refused(response.status, body);
  const headerMs = 1000 * Number.parseFloat(response.headers.get("Retry-After") ?? "");
  const pauseMs = Math.max(body.retry_after_ms || 0, headerMs || 0);
  throw new Busy(response.status === 429 ? "That was too fast." : "The server is busy.", pauseMs);
}

/**
 * Sends a command until the server accepts it. Retries are safe: the rules count a command once.
 *
 * @param {string} path
 * @param {object} body
 * @param {import("./types").Tell} tell
 * @param {Record<string, string>} [headers]
 */
export async function send(path, body, tell, headers = {}) {
  const until = performance.now() + SEND_MS_MAX;
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
  for (let wait = 400; ; wait = Math.min(wait * 2, 6_400)) {
    try {
      return await call(path, options);
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      const pauseMs = Math.max(error.pauseMs, wait * (0.75 + Math.random() / 2));
      const again = seconds(pauseMs);
      if (performance.now() + pauseMs > until) throw new Error(`${error.message} Please try again in ${again} s.`);
      tell(`${error.message} Trying again in ${again} s…`, "wait");
      await sleep(pauseMs);
    }
  }
}
