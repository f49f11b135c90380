import { KvDistillError, messageOf } from "./errors.ts";
import { quote } from "./quote.ts";

export interface JsonLimits {
  /** Nested arrays and objects allowed; 3 for `{"a":{"b":[]}}`. */
  readonly maxDepth: number;
  /** Object keys allowed in the whole text. */
  readonly maxKeys: number;
}

/**
 * Parses JSON from an untrusted file. Unlike `JSON.parse` it refuses duplicate keys, deep nesting and too many keys,
 * before any object is made.
 * @throws KvDistillError `bad-file` or `too-large`.
 */
export function parseStrictJson(text: string, where: string, limits: JsonLimits): unknown {
  checkStructure(text, where, limits);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new KvDistillError("bad-file", "not valid JSON", { where, got: messageOf(cause), cause });
  }
}

/** True for `{…}`, false for arrays and null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Level {
  /** Keys seen so far; undefined in an array. */
  readonly keys: Set<string> | undefined;
  expectsKey: boolean;
}

/** Follows strings, brackets, commas and colons only; whether the rest is valid JSON is for `JSON.parse` to say. */
function checkStructure(text: string, where: string, limits: JsonLimits): void {
  const open: Level[] = [];
  let keyCount = 0;
  for (let at = 0; at < text.length; at++) {
    const level = open.at(-1);
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        if (level?.keys !== undefined && level.expectsKey) {
          addKey(level.keys, text.slice(at, end), where);
          if (++keyCount > limits.maxKeys) throw tooLarge("too many keys", limits.maxKeys, where);
        }
        at = end - 1;
        break;
      }
      case "{":
      case "[":
        if (open.length === limits.maxDepth) throw tooLarge("too many levels of nesting", limits.maxDepth, where);
        open.push({ keys: text[at] === "{" ? new Set() : undefined, expectsKey: true });
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case ":":
        if (level !== undefined) level.expectsKey = false;
        break;
      case ",":
        if (level !== undefined) level.expectsKey = true;
        break;
      default: // whitespace, numbers, words
    }
  }
}

/** The index after the closing quote, or the end of the text when there is none. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function addKey(keys: Set<string>, literal: string, where: string): void {
  const key = decodeKey(literal, where);
  if (keys.has(key)) throw new KvDistillError("bad-file", "duplicate key in JSON", { where, got: quote(key) });
  keys.add(key);
}

/** Two spellings of one key, such as `"a"` and `"\u0061"`, are one key. */
function decodeKey(literal: string, where: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch (cause) {
    throw new KvDistillError("bad-file", "not valid JSON", { where, got: messageOf(cause), cause });
  }
}

function tooLarge(what: string, limit: number, where: string): KvDistillError {
  return new KvDistillError("too-large", `JSON has ${what}`, { where, expected: `at most ${limit.toString()}` });
}
