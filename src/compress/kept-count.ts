import { KvDistillError } from "../util/errors.ts";

/**
 * How many of `tokens` rows are kept at the fraction `keep`: clamp(round(keep · tokens), sinks + 1, tokens) (METHOD section 1).
 * The one place where a fraction becomes a count.
 * @throws KvDistillError `bad-argument` for a fraction outside (0, 1].
 */
export function keptCount(tokens: number, keep: number, sinks: number): number {
  if (!(keep > 0 && keep <= 1)) {
    throw new KvDistillError("bad-argument", "the kept fraction is out of range", {
      where: "keep",
      expected: "more than 0, at most 1 (or 100%)",
      got: String(keep),
    });
  }
  return Math.min(tokens, Math.max(sinks + 1, Math.floor(keep * tokens + 0.5)));
}
