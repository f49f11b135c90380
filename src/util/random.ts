import { KvDistillError } from "./errors.ts";
import { quote } from "./quote.ts";

/** A generator's whole state: plain JSON, safe to write into a checkpoint. */
export interface RandomState {
  readonly algorithm: "xoshiro128**";
  /** Four unsigned 32-bit words, not all zero. */
  readonly words: readonly [number, number, number, number];
}

/** A seeded stream of numbers. Equal seeds give equal streams on every machine. */
export interface Random {
  /** The next 32 bits as an unsigned integer. */
  uint32(): number;
  /** A double in [low, high), by default [0, 1), with 53 random bits. */
  uniform(low?: number, high?: number): number;
  /** A standard normal value (Box–Muller; nothing is held back between calls, so the state stays four words). */
  normal(): number;
  /** A whole number in [0, bound), without bias. `bound` is 1 … 2^32. */
  integer(bound: number): number;
  /** Reorders the items in place (Fisher–Yates) and returns the same array. */
  shuffle<T extends unknown[]>(items: T): T;
  /** The state after all draws so far. */
  state(): RandomState;
}

/**
 * A generator from a seed: xoshiro128** 1.1 with its words filled by splitmix64, as its authors advise
 * (Blackman and Vigna, prng.di.unimi.it). Extra `stream` numbers give independent streams of one seed: the numbers
 * drawn for (seed, epoch, example) do not depend on what was drawn before them.
 * @throws KvDistillError `bad-argument` when a seed or stream number is not a whole number in 0 … 2^53 − 1.
 */
export function randomFromSeed(seed: number, ...stream: readonly number[]): Random {
  let key = wholeNumber("seed", seed);
  for (const part of stream) key = mix64(key + GOLDEN_GAMMA) ^ wholeNumber("stream", part);
  const low = mix64(key + GOLDEN_GAMMA);
  const high = mix64(key + 2n * GOLDEN_GAMMA);
  return generator([lowWord(low), lowWord(low >> 32n), lowWord(high), lowWord(high >> 32n)]);
}

/**
 * A generator that goes on where `state` was taken.
 * @throws KvDistillError `bad-file` when the state is not one that `state()` gives.
 */
export function randomFromState(state: RandomState): Random {
  const words: unknown = state.words;
  const valid =
    (state.algorithm as string) === "xoshiro128**" &&
    Array.isArray(words) &&
    words.length === 4 &&
    words.every((word: unknown) => typeof word === "number" && word >>> 0 === word) &&
    words.some((word) => word !== 0);
  if (!valid) {
    throw new KvDistillError("bad-file", "not a state of the random generator", {
      expected: "xoshiro128** with four unsigned 32-bit words, not all zero",
      got: quote(JSON.stringify(state)),
    });
  }
  return generator(state.words);
}

const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;
const TWO_POW_32 = 2 ** 32;

function generator(start: RandomState["words"]): Random {
  let [a, b, c, d] = start;

  function uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  }

  function uniform(low = 0, high = 1): number {
    const top = uint32() >>> 5;
    const bottom = uint32() >>> 6;
    return low + (high - low) * ((top * 2 ** 26 + bottom) / 2 ** 53);
  }

  function normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  }

  function integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > TWO_POW_32) {
      throw new KvDistillError("bad-argument", "bound of a random integer", {
        expected: "a whole number in 1 … 2^32",
        got: String(bound),
      });
    }
    const unbiased = TWO_POW_32 - (TWO_POW_32 % bound);
    let value = uint32();
    while (value >= unbiased) value = uint32();
    return value % bound;
  }

  function shuffle<T extends unknown[]>(items: T): T {
    for (let last = items.length - 1; last > 0; last--) {
      const other = integer(last + 1);
      [items[last], items[other]] = [items[other], items[last]];
    }
    return items;
  }

  function state(): RandomState {
    return { algorithm: "xoshiro128**", words: [a >>> 0, b >>> 0, c >>> 0, d >>> 0] };
  }

  return { uint32, uniform, normal, integer, shuffle, state };
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The finaliser of splitmix64. */
function mix64(value: bigint): bigint {
  let z = BigInt.asUintN(64, value);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

function lowWord(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

function wholeNumber(what: string, value: number): bigint {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new KvDistillError("bad-argument", `${what} of the random generator`, {
      expected: "a whole number in 0 … 2^53 − 1",
      got: String(value),
    });
  }
  return BigInt(value);
}
