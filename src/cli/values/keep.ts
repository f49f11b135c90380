import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

/**
 * The kept part of a context, as a fraction: `5%` or `0.05`. A bare `1` could mean 1% or everything, so it is refused.
 * @throws KvDistillError `bad-argument`
 */
export const keepFraction: Parser<number> = (text) => {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  // 7 / 100 is the float64 nearest to 0.07, 7 * 0.01 is not.
  const value = digits === undefined ? NaN : percent === "%" ? Number(digits) / 100 : Number(digits);
  if (value > 0 && (percent === "%" ? value <= 1 : value < 1)) return value;
  throw new KvDistillError("bad-argument", "not a kept part", {
    expected: "more than 0% and at most 100%, such as 5% (or 0.05)",
    got: quote(text),
    ...(percent === "" && value >= 1 && value <= 100 ? { hint: `did you mean ${text}%?` } : {}),
  });
};

/** Several kept parts: `100%,25%,10%`; none twice. */
export const keepFractions: Parser<readonly number[]> = (text) => {
  const values = text.split(",").map((part) => keepFraction(part.trim()));
  if (new Set(values).size === values.length) return values;
  throw new KvDistillError("bad-argument", "a kept part stands there twice", {
    expected: "different kept parts",
    got: quote(text),
  });
};
