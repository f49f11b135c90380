import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** A number of bytes: `2000000`, `2MB` (10⁶), `1.5MiB` (2²⁰). Upper and lower case are the same, parts of a byte are dropped. */
export const byteSize: Parser<number> = (text) => {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(?: ?([a-z]+))?$/i.exec(text) ?? [];
  const factor = UNITS[(unit ?? "").toLowerCase()];
  const value = digits === undefined || factor === undefined ? NaN : Math.floor(Number(digits) * factor);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new KvDistillError("bad-argument", "not a number of bytes", {
    expected: "a number of bytes, such as 2MB, 512kB, 1.5MiB or 2000000",
    got: quote(text),
  });
};
