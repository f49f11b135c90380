import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

export interface WholeNumberRange {
  /** Default 1. */
  readonly min?: number;
  /** Default 2⁵³ − 1. */
  readonly max?: number;
}

/** A whole number in digits: no sign, no exponent, no separators. */
export function wholeNumber({ min = 1, max = Number.MAX_SAFE_INTEGER }: WholeNumberRange = {}): Parser<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new KvDistillError("bad-argument", "not such a number", {
      expected: `a whole number ${max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`}`,
      got: quote(text),
    });
  };
}

/** A seed of the random numbers; 0 is one like any other. */
export const seed: Parser<number> = wholeNumber({ min: 0 });
