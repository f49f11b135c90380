import type { Fingerprint } from "./fingerprints.ts";

/** A run of words, and where it stands in the text that was cut into words. */
export interface Shingle extends Fingerprint {
  readonly start: number;
  readonly end: number;
}

/** What words are cut from: case, accents' spelling and compatibility forms (ﬁ, full-width letters) make no difference. */
export function comparable(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/**
 * Every run of `length` words of a comparable text, overlapping. A word is a run of letters, marks and digits; what stands between
 * words makes no difference. A text of fewer words has none.
 */
export function* shingles(text: string, length: number): Generator<Shingle> {
  // The last `length` words, in a ring: their hashes, and where they begin.
  const lows = new Int32Array(length);
  const highs = new Int32Array(length);
  const starts = new Int32Array(length);
  const [oldLow, oldHigh] = [power(LOW_BASE, length), power(HIGH_BASE, length)];
  let [low, high, count] = [0, 0, 0];
  for (const word of words(text)) {
    const slot = count % length;
    // Horner's rule over the run, the word that leaves it taken off: both lanes modulo 2^32.
    low = (Math.imul(low, LOW_BASE) + word.low - Math.imul(lows[slot] ?? 0, oldLow)) | 0;
    high = (Math.imul(high, HIGH_BASE) + word.high - Math.imul(highs[slot] ?? 0, oldHigh)) | 0;
    lows[slot] = word.low;
    highs[slot] = word.high;
    starts[slot] = word.start;
    count++;
    if (count < length) continue;
    yield { low: mix(low), high: mix(high ^ 0x5bd1e995), start: starts[count % length] ?? 0, end: word.end };
  }
}

const LOW_BASE = 0x01000193;
const HIGH_BASE = 0x2c1b3c6d;

function* words(text: string): Generator<Shingle> {
  let start = -1;
  let [low, high] = [0, 0];
  for (let at = 0; at <= text.length; at++) {
    // Past the end stands a code that is no part of a word.
    const code = at < text.length ? text.charCodeAt(at) : 0;
    if (isWordCode(code)) {
      if (start < 0) [start, low, high] = [at, 0x811c9dc5 | 0, 0x9747b28c | 0];
      low = Math.imul(low ^ code, LOW_BASE);
      high = Math.imul(high ^ code, HIGH_BASE);
    } else if (start >= 0) {
      yield { low: mix(low) | 0, high: mix(high) | 0, start, end: at };
      start = -1;
    }
  }
}

/** The finaliser of MurmurHash3: every bit of the input reaches every bit of the result, an unsigned number. */
function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function power(base: number, exponent: number): number {
  let product = 1;
  for (let i = 0; i < exponent; i++) product = Math.imul(product, base);
  return product;
}

/** For every UTF-16 code whether it is part of a word; halves of characters beyond the basic plane count as letters. */
let wordCodes: Uint8Array | undefined;

function isWordCode(code: number): boolean {
  wordCodes ??= Uint8Array.from({ length: 2 ** 16 }, (_, other) =>
    (other >= 0xd800 && other < 0xe000) || /[\p{L}\p{M}\p{N}]/u.test(String.fromCharCode(other)) ? 1 : 0,
  );
  return wordCodes[code] === 1;
}
