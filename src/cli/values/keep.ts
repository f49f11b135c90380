import { keepFraction } from "../../compress/keep-text.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

export { keepFraction } from "../../compress/keep-text.ts";

/** Several kept parts: `100%,25%,10%`; none twice. */
export const keepFractions: Parser<readonly number[]> = (text) => {
  const values = text.split(",").map((part) => keepFraction(part.trim()));
  if (new Set(values).size === values.length) return values;
  throw new KvDistillError("bad-argument", "a kept part stands there twice", {
    expected: "different kept parts",
    got: quote(text),
  });
};
