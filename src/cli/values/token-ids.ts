import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

/** Token ids: `1,2,3`. Whether a model has them, the model says. */
export const tokenIds: Parser<readonly number[]> = (text) => {
  const parts = text.split(",").map((part) => part.trim());
  const bad = parts.filter((part) => !/^\d{1,15}$/.test(part));
  if (bad.length === 0) return parts.map(Number);
  throw new KvDistillError("bad-argument", "not token ids", {
    expected: "whole numbers from 0, separated by commas",
    got: faultList(bad.map(quote)).join(", "),
  });
};
