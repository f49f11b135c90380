import type { Parser } from "../spec.ts";
import { decimal } from "./decimal.ts";

/** Numbers above 0, separated by commas: `2,1` or `0.5,0.25`. */
export const positiveNumbers: Parser<readonly number[]> = (text) => {
  const one = decimal({ min: 0, max: 1e9, aboveMin: true });
  return text.split(",").map((part) => one(part.trim()));
};
