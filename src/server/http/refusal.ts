/** Why the server turns a request down, beside the codes of `KvDistillError`. The list is closed. */
export type RefusalCode =
  | "bad-argument" // the request is wrong
  | "unauthorized" // no token, or a wrong one
  | "forbidden-host" // the Host header names another machine: DNS rebinding
  | "forbidden-origin" // a page of another site asks
  | "not-found"
  | "method-not-allowed"
  | "unsupported-media-type"
  | "too-large"
  | "busy" // a conversation takes one request at a time
  | "too-many" // contexts, or conversations
  | "queue-full"
  | "queue-timeout"
  | "time-limit"
  | "shutting-down"
  | "client-gone"
  | "unreadable" // a run that is not finished, damaged, or of another version
  | "damaged"; // what the server had stored

export interface RefusalFacts {
  /** Field of the request that is at fault. */
  readonly param?: string;
  /** When to try again. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

const STATUS: Readonly<Record<RefusalCode, number>> = {
  "bad-argument": 400,
  unauthorized: 401,
  "forbidden-host": 403,
  "forbidden-origin": 403,
  "not-found": 404,
  "method-not-allowed": 405,
  "unsupported-media-type": 415,
  "too-large": 413,
  busy: 409,
  "too-many": 429,
  "queue-full": 429,
  // As a full queue: more is asked than can be served.
  "queue-timeout": 429,
  "time-limit": 503,
  "shutting-down": 503,
  // Nobody reads it; 499 as nginx writes it into its logs.
  "client-gone": 499,
  unreadable: 422,
  damaged: 500,
};

/** A request that is answered with an error on purpose. The message is for the client. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly status: number;
  readonly facts: RefusalFacts;

  constructor(code: RefusalCode, message: string, facts: RefusalFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "Refusal";
    this.code = code;
    this.status = STATUS[code];
    this.facts = facts;
  }
}
