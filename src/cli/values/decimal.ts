import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

export interface DecimalRange {
  readonly min: number;
  readonly max: number;
  /** The smallest value itself is refused. */
  readonly aboveMin?: boolean;
}

const DECIMAL = /^(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?$/i;

/** A decimal number without a sign: `0.7`, `1`, `5e-5`. */
export function decimal({ min, max, aboveMin = false }: DecimalRange): Parser<number> {
  return (text) => {
    const value = DECIMAL.test(text) ? Number(text) : NaN;
    if (value <= max && (aboveMin ? value > min : value >= min)) return value;
    const low = aboveMin ? `more than ${min}` : `from ${min}`;
    throw new KvDistillError("bad-argument", "not such a number", {
      expected: `a number ${low}${max === Infinity ? "" : aboveMin ? ` and at most ${max}` : ` to ${max}`}`,
      got: quote(text),
    });
  };
}
