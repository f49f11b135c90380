import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

/** Paths separated by commas, none twice. */
export const filePaths: Parser<readonly string[]> = (text) => {
  const paths = text.split(",").map((path) => path.trim());
  if (!paths.includes("") && new Set(paths).size === paths.length) return paths;
  throw new KvDistillError("bad-argument", "not a list of files", {
    expected: "paths separated by commas, none twice",
    got: quote(text),
  });
};
