// The server's time. A phone's clock may be wrong, so only the server's is used.

let offset = -Infinity;

/**
 * Learns from an answer: the server's clock showed `now` at some moment between `asked` and the present. That bounds the
 * offset on both sides. The greatest lower bound is the most accurate. If it exceeds an upper bound, the server's clock
 * was set back, and the offset starts over.
 *
 * @param {number} now Unix milliseconds
 * @param {number} asked by `performance.now()`
 */
export function hearTime(now, asked) {
  const least = now - performance.now();
  if (least > offset || offset > now + 1 - asked) offset = least;
}

/** The present in Unix milliseconds, by the server's clock. */
export const serverNow = () => performance.now() + offset;
