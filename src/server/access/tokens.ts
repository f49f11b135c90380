import { createHash, timingSafeEqual } from "node:crypto";
import { KvDistillError } from "../../util/errors.ts";

/** Who asks: a name for queue, contexts and conversations from which the token cannot be told. */
export type Tenant = string;

/** The one tenant of a server without tokens. */
export const NOBODY: Tenant = "local";

/** Tokens of fewer characters can be guessed. */
const LEAST_CHARACTERS = 16;

/** The tokens of a server. */
export interface Tokens {
  readonly count: number;
  /** Whose an `Authorization` header is; undefined for none or a wrong one. */
  tenantOf(authorization: string | null): Tenant | undefined;
}

/**
 * Tokens as a file or variable has them, one a line; empty lines do not count.
 * @throws KvDistillError `bad-argument` for short, repeated or unsendable ones, all at once
 */
export function parseTokens(text: string, where: string): readonly string[] {
  const tokens = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const faults = tokens.flatMap((token, i) => {
    if (!/^[A-Za-z0-9._~+/=-]+$/.test(token))
      return [`token ${i + 1}: only letters, digits and . _ ~ + / = - can be sent`];
    if (token.length < LEAST_CHARACTERS) return [`token ${i + 1}: shorter than ${LEAST_CHARACTERS} characters`];
    return tokens.indexOf(token) < i ? [`token ${i + 1}: stands there before`] : [];
  });
  if (tokens.length === 0) faults.push("there is no token");
  if (faults.length > 0) throw new KvDistillError("bad-argument", "the tokens are wrong", { where, faults });
  return tokens;
}

/** @param tokens none for a server that everybody who reaches it may use */
export function createTokens(tokens: readonly string[]): Tokens {
  const known = tokens.map((token) => ({ digest: sha256(token), tenant: tenantName(token) }));
  return {
    count: known.length,
    tenantOf: (authorization) => {
      if (known.length === 0) return NOBODY;
      const given = sha256(/^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "");
      let tenant: Tenant | undefined;
      // Digests are equally long, and all are compared: how long it takes tells nothing.
      for (const own of known) if (timingSafeEqual(own.digest, given)) tenant = own.tenant;
      return tenant;
    },
  };
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Not the digest that tokens are compared by. */
function tenantName(token: string): Tenant {
  return createHash("sha256").update("kv-distill tenant\0").update(token).digest("hex").slice(0, 32);
}
