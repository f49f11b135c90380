import { KvDistillError } from "../util/errors.ts";
import { quote } from "../util/quote.ts";

/**
 * The kept part of a context, as a fraction: `5%` or `0.05`. A bare `1` could mean 1% or everything, so it is refused.
 * @throws KvDistillError `bad-argument`
 */
export function keepFraction(text: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  // 7 / 100 is the float64 nearest to 0.07, 7 * 0.01 is not.
  const value = digits === undefined ? NaN : percent === "%" ? Number(digits) / 100 : Number(digits);
  if (value > 0 && (percent === "%" ? value <= 1 : value < 1)) return value;
  throw new KvDistillError("bad-argument", "not a kept part", {
    expected: "more than 0% and at most 100%, such as 5% (or 0.05)",
    got: quote(text),
    ...(percent === "" && value >= 1 && value <= 100 ? { hint: `did you mean ${text}%?` } : {}),
  });
}
