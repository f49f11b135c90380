import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";
import { wholeNumber } from "./whole-number.ts";

/** Lengths in tokens, separated by commas, none twice. */
export const lengthList: Parser<readonly number[]> = (text) => {
  const one = wholeNumber();
  return differentOnes(
    text,
    text.split(",").map((part) => one(part.trim())),
  );
};

/** Depths as fractions, 0 the beginning: `0%,50%,100%`; none twice. */
export const depthList: Parser<readonly number[]> = (text) =>
  differentOnes(
    text,
    text.split(",").map((part) => {
      const value = /^\d+(\.\d+)?%$/.test(part.trim()) ? Number(part.trim().slice(0, -1)) / 100 : NaN;
      if (value <= 1) return value;
      throw new KvDistillError("bad-argument", "not a depth", { expected: "0% … 100%", got: quote(part) });
    }),
  );

function differentOnes(text: string, values: readonly number[]): readonly number[] {
  if (new Set(values).size === values.length) return values;
  throw new KvDistillError("bad-argument", "one stands there twice", {
    expected: "different values",
    got: quote(text),
  });
}
