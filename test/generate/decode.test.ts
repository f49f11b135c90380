import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, type DecodeOptions, type Finish, type Reader } from "../../src/generate/decode.ts";
import { GREEDY, sampleToken } from "../../src/generate/sample.ts";
import { tokenStream } from "../../src/models/tokenizer/stream.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { randomFromSeed } from "../../src/util/random.ts";

const STOP = 256;
const VOCABULARY = 258;

/** A model that says one text, byte by byte, whatever it is asked, and then stops; its cache is what it has read. */
function speaker(bytes: ArrayLike<number>): Reader<number[]> & { readonly calls: number[][] } {
  const calls: number[][] = [];
  let prompt: number | undefined;
  return {
    calls,
    forward: ({ ids, cache, logitRows }) => {
      expect(logitRows).toEqual([ids.length - 1]);
      calls.push([...ids]);
      cache.push(...ids);
      prompt ??= ids.length;
      const logits = new Float32Array(VOCABULARY);
      logits[bytes[cache.length - prompt] ?? STOP] = 9;
      return Promise.resolve(tensor("float32", [1, VOCABULARY], logits));
    },
  };
}

/** The text pieces of an answer, as a stream of whole characters, and why it ended. */
async function spoken(
  reader: Reader<number[]>,
  cache: number[],
  options: Partial<DecodeOptions> = {},
): Promise<{ pieces: string[]; finish: Finish }> {
  const tokens = decode(reader, cache, [7, 8, 9], {
    maxTokens: 1000,
    stopIds: [STOP],
    sampling: GREEDY,
    random: randomFromSeed(0),
    ...options,
  });
  const stream = tokenStream({ of: (id) => Uint8Array.of(id), dropsFirstSpace: false }, () => false);
  const pieces: string[] = [];
  let next = await tokens.next();
  for (; next.done !== true; next = await tokens.next()) pieces.push(stream.push(next.value));
  pieces.push(stream.end());
  return { pieces, finish: next.value };
}

describe("decoding", () => {
  test("gives what the model says, in whole characters, and stops where it stops", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 12 }), async (text) => {
        const { pieces, finish } = await spoken(speaker(Buffer.from(text)), []);
        expect(pieces.join("")).toBe(text);
        expect(finish).toBe("stop");
        for (const piece of pieces) expect(piece).not.toContain("\ufffd");
      }),
    );
  });

  test("reads the prompt at once, then one token a call; the cache holds everything but the last", async () => {
    const reader = speaker(Buffer.from("abc"));
    const cache: number[] = [];
    await spoken(reader, cache);
    expect(reader.calls).toEqual([[7, 8, 9], [97], [98], [99]]);
    expect(cache).toEqual([7, 8, 9, 97, 98, 99]);
  });

  test("ends at the limit, without reading on, and says so", async () => {
    const reader = speaker(Buffer.from("abcdef"));
    expect(await spoken(reader, [], { maxTokens: 2 })).toEqual({ pieces: ["a", "b", ""], finish: "length" });
    expect(reader.calls).toHaveLength(2);
  });

  test("a character cut by the limit becomes U+FFFD", async () => {
    const { pieces } = await spoken(speaker(Buffer.from("é")), [], { maxTokens: 1 });
    expect(pieces).toEqual(["", "\ufffd"]);
  });

  test("any of several stop ids ends it; without any it goes on to the limit", async () => {
    const reader = (): ReturnType<typeof speaker> => speaker([97, 257]);
    expect(await spoken(reader(), [], { stopIds: [STOP, 257] })).toMatchObject({ pieces: ["a", ""], finish: "stop" });
    expect(await spoken(reader(), [], { stopIds: [], maxTokens: 5 })).toMatchObject({ finish: "length" });
  });

  test("refused: an empty prompt, logits that are not numbers", async () => {
    const options = { maxTokens: 1, stopIds: [], sampling: GREEDY, random: randomFromSeed(0) };
    const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;
    await expect(decode(speaker([]), [], [], options).next()).rejects.toThrow(code("bad-argument"));
    const broken: Reader<number[]> = {
      forward: () => Promise.resolve(tensor("float32", [1, 2], Float32Array.of(NaN, NaN))),
    };
    await expect(decode(broken, [], [1], options).next()).rejects.toThrow(code("not-finite"));
  });
});

describe("sampling", () => {
  // In eighths: floats that differ by less than a rounding error are equally likely.
  const logits = fc
    .array(fc.integer({ min: -40, max: 40 }), { minLength: 2, maxLength: 20 })
    .map((eighths) => Float32Array.from(eighths, (value) => value / 8));
  const draws = (values: Float32Array, sampling: { temperature: number; topP: number }, seed: number): number[] => {
    const random = randomFromSeed(seed);
    return Array.from({ length: 50 }, () => sampleToken(values, sampling, random));
  };

  test("equal seeds draw equal tokens, 0 included; other seeds draw others", () => {
    const flat = new Float32Array(200);
    const sampling = { temperature: 1, topP: 1 };
    for (const seed of [0, 1, 12345]) expect(draws(flat, sampling, seed)).toEqual(draws(flat, sampling, seed));
    expect(draws(flat, sampling, 0)).not.toEqual(draws(flat, sampling, 1));
  });

  test("temperature 0, and a nucleus of next to nothing, take the likeliest; of equal ones the lowest id", () => {
    fc.assert(
      fc.property(logits, fc.nat(), (values, seed) => {
        const best = values.indexOf(Math.max(...values));
        expect(new Set(draws(values, { temperature: 0, topP: 1 }, seed))).toEqual(new Set([best]));
        expect(new Set(draws(values, { temperature: 1, topP: 1e-12 }, seed))).toEqual(new Set([best]));
      }),
    );
  });

  test("tokens outside the nucleus are never drawn", () => {
    fc.assert(
      fc.property(logits, fc.double({ min: 0.05, max: 0.95, noNaN: true }), fc.nat(), (values, topP, seed) => {
        const weights = Array.from(values, Math.exp);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const id of draws(values, { temperature: 1, topP }, seed)) {
          const likelier = weights.filter((weight) => weight > (weights[id] ?? 0)).reduce((sum, w) => sum + w, 0);
          expect(likelier).toBeLessThan(topP * total + 1e-9);
        }
      }),
    );
  });

  test("the share of a token is its probability", () => {
    const values = Float32Array.of(0, Math.log(2), Math.log(5));
    const random = randomFromSeed(3);
    const counts = [0, 0, 0];
    for (let i = 0; i < 8000; i++) {
      const id = sampleToken(values, { temperature: 1, topP: 1 }, random);
      counts[id] = (counts[id] ?? 0) + 1;
    }
    // Three standard deviations of the widest are 0.017.
    for (const [id, share] of [1 / 8, 2 / 8, 5 / 8].entries()) {
      expect(Math.abs((counts[id] ?? 0) / 8000 - share)).toBeLessThan(0.017);
    }
  });
});
