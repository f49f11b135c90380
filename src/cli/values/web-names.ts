import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

/** Names of hosts as a Host header has them, without port, separated by commas. */
export const hostNames: Parser<readonly string[]> = (text) => {
  const names = text.split(",").map((name) => name.trim().toLowerCase());
  if (names.every((name) => /^([a-z0-9._-]+|\[[0-9a-f:.]+\])$/.test(name))) return names;
  throw new KvDistillError("bad-argument", "not names of hosts", {
    expected: "names or addresses without ports, separated by commas",
    got: quote(text),
  });
};

/** Origins of web pages, separated by commas: `https://example.org`, `http://localhost:3000`. */
export const origins: Parser<readonly string[]> = (text) => {
  const given = text.split(",").map((origin) => origin.trim());
  if (given.every((origin) => URL.canParse(origin) && /^https?:/.test(origin) && new URL(origin).origin === origin))
    return given;
  throw new KvDistillError("bad-argument", "not origins", {
    expected: "scheme, host and port as browsers send them, such as https://example.org, separated by commas",
    got: quote(text),
  });
};
