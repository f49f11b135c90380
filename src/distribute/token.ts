import { createHmac, timingSafeEqual } from "node:crypto";
import { KvDistillError } from "../util/errors.ts";

/** Environment variable that holds the token where the command line does not. */
export const TOKEN_VARIABLE = "KV_DISTILL_QUEUE_TOKEN";

/** Proofs lie open in Redis, where a short token could be guessed at leisure. */
const LEAST_CHARACTERS = 32;

/** What a proof is for: a job is no result, and the other way round. */
export type Purpose = "job" | "result";

/** A text and the proof that who wrote it has the token. */
export interface Sealed {
  readonly payload: string;
  /** HMAC-SHA256 over purpose and payload, in lower-case hex. */
  readonly proof: string;
}

/** The secret that the workers of a queue and those who send them work share. It goes over no wire. */
export class QueueToken {
  private readonly secret: string;

  /** @throws KvDistillError `bad-argument` for a token that is too short or holds white space */
  constructor(secret: string, where = "--token") {
    const faults = [
      ...(secret.length < LEAST_CHARACTERS ? [`shorter than ${LEAST_CHARACTERS} characters`] : []),
      ...(/[\s\p{Cc}]/u.test(secret) ? ["white space or control characters in it"] : []),
    ];
    if (faults.length > 0) {
      const hint = "make one by `openssl rand -hex 32` and give all machines the same";
      throw new KvDistillError("bad-argument", "not a token for a queue", { where, faults, hint });
    }
    this.secret = secret;
  }

  seal(purpose: Purpose, payload: string): Sealed {
    return { payload, proof: this.proofOf(purpose, payload).toString("hex") };
  }

  /** Whether a proof was made with this token; how long it takes tells nothing of it. */
  holds(purpose: Purpose, { payload, proof }: Sealed): boolean {
    const own = this.proofOf(purpose, payload);
    const given = Buffer.from(proof, "hex");
    return given.length === own.length && timingSafeEqual(given, own);
  }

  private proofOf(purpose: Purpose, payload: string): Buffer {
    return createHmac("sha256", this.secret).update(`kv-distill ${purpose} 1\n`).update(payload).digest();
  }
}
