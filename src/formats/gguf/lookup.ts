import { KvDistillError } from "../../util/errors.ts";
import type { GgufFile } from "./header.ts";
import type { GgufValue } from "./metadata.ts";

/** What callers ask metadata for, whatever width the file stores it in. */
interface Kinds {
  string: string;
  boolean: boolean;
  /** Any finite number; 64-bit integers only where exact. */
  number: number;
  /** A whole number. */
  integer: number;
  strings: readonly string[];
  numbers: readonly number[];
}
export type GgufKind = keyof Kinds;

/**
 * A metadata value as one kind, or undefined when the file has no such key.
 * @throws KvDistillError `bad-file` when the key holds something else.
 */
export function optionalMetadata<K extends GgufKind>(file: GgufFile, key: string, kind: K): Kinds[K] | undefined {
  const entry = file.metadata.get(key);
  if (entry === undefined) return undefined;
  const value = CONVERT[kind](entry);
  if (value === undefined) {
    throw new KvDistillError("bad-file", `metadata ${key} is of another type`, {
      where: file.path,
      expected: kind,
      got: entry.type === "array" ? `array of ${entry.of}` : entry.type,
    });
  }
  return value;
}

/**
 * A metadata value as one kind.
 * @throws KvDistillError `bad-file` when the key is missing or holds something else.
 */
export function requiredMetadata<K extends GgufKind>(file: GgufFile, key: string, kind: K): Kinds[K] {
  const value = optionalMetadata(file, key, kind);
  if (value === undefined) {
    throw new KvDistillError("bad-file", `metadata ${key} is missing`, { where: file.path, expected: kind });
  }
  return value;
}

const CONVERT: { readonly [K in GgufKind]: (entry: GgufValue) => Kinds[K] | undefined } = {
  string: (entry) => (entry.type === "string" ? entry.value : undefined),
  boolean: (entry) => (entry.type === "bool" && typeof entry.value === "boolean" ? entry.value : undefined),
  number: (entry) => (entry.type === "array" ? undefined : exactNumber(entry.value)),
  integer: (entry) => (entry.type === "array" || entry.type.startsWith("float") ? undefined : exactNumber(entry.value)),
  strings: (entry) => (entry.type === "array" && entry.of === "string" ? entry.values : undefined),
  numbers: (entry) => {
    if (entry.type !== "array" || entry.of === "string") return undefined;
    const values = entry.values.map(exactNumber);
    return values.every((value) => value !== undefined) ? values : undefined;
  },
};

function exactNumber(value: number | bigint | boolean | string): number | undefined {
  // Infinity and NaN would become null in a config.json, and null what is taken where nothing is said.
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "bigint") return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}
