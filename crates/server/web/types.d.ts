// Bodies that the server sends, as in mobile-api-spec/openapi.json. Times are Unix milliseconds.

export type Kind = "FREEZE" | "MULTIPLIER" | "EXTENDER";

export interface Round {
  round: number;
  opens_at: number;
  closes_at: number;
}

/** The data of the live event `round`. */
export interface LiveRound extends Round {
  now: number;
}

export interface Press {
  round: number | null;
  outcome: string;
  points: number;
  arrived_at: number;
}

export interface Player {
  username: string;
  name: string | null;
  score: number;
  streak: number;
  rank: number | null;
  pressed: boolean;
  round: Round | null;
  powerups: Record<Kind, { quantity: number; from: number; until: number } | null>;
  last_press: Press | null;
  last_purchase: { id: string; outcome: string } | null;
  now: number;
}

export interface BoardRow {
  rank: number;
  username: string;
  name: string | null;
  score: number;
}

export interface Level {
  quantity: number;
  price: number;
  duration_ms: number;
}

export interface Rules {
  streak_squared_from: number;
  powerups: Record<Kind, Level[]>;
}

/** The body of an error: application/problem+json. */
export interface Problem {
  title?: string;
  detail?: string;
  retry_after_ms?: number;
}

/** How an outcome is shown. */
export type Tone = "" | "good" | "bad" | "wait";

/** Shows the outcome of an action. */
export type Tell = (text: string, tone?: Tone) => void;
