import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CompressionContext } from "../../src/compress/context.ts";
import type { CompressionMethod } from "../../src/compress/method.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { kvzipUniform } from "../../src/compress/methods/kvzip-uniform.ts";
import { kvzip } from "../../src/compress/methods/kvzip.ts";
import { pyramidkv } from "../../src/compress/methods/pyramidkv.ts";
import { snapkv } from "../../src/compress/methods/snapkv.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { passagePromptOf } from "../../src/models/load-model.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { smollm2 } from "./smollm2.ts";

/** What kvpress kept, made by tools/golden/kvpress_kept.py. */
interface Golden {
  readonly madeWith: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly results: readonly Result[];
}

interface Result {
  readonly method: string;
  readonly options: { readonly window?: number; readonly chunk?: number };
  /** Rows of every layer and head; the mean of them where they differ. */
  readonly count: number;
  readonly sinks: number;
  /** For every layer and kv head a bit mask of the kept tokens, lowest bit first, as base64. */
  readonly kept: readonly string[];
  /** Tokens that scored so near the cut in kvpress that rounding may have chosen, by entry. */
  readonly near: Readonly<Record<string, readonly number[]>>;
}

const file = fileURLToPath(new URL("../golden/kvpress/kept.json.gz", import.meta.url));
const golden = JSON.parse(gunzipSync(await readFile(file)).toString("utf8")) as Golden;

let model: LanguageModel;
let context: CompressionContext;
beforeAll(async () => {
  model = new LanguageModel(await smollm2(), await createRuntime());
  context = new CompressionContext(model, golden.ids);
});
afterAll(() => model.close());

function methodOf({ method, options: { window, chunk } }: Result): CompressionMethod {
  if (method === "snapkv") return snapkv(window);
  if (method === "pyramidkv") return pyramidkv(window);
  const reconstruction = chunk === undefined ? {} : { chunk };
  if (method === "kvzip") return kvzip(reconstruction);
  if (method === "kvzip-uniform") return kvzipUniform(reconstruction);
  return methodNamed(method, undefined);
}

function tokensIn(mask: string): number[] {
  const bits = Buffer.from(mask, "base64");
  return golden.ids.flatMap((_, token) => (((bits[token >> 3] ?? 0) >> (token & 7)) & 1 ? [token] : []));
}

test("the context has the token ids of the Python tokenizer, chat template included", () => {
  expect(passagePromptOf(model.files, "plain").contextIds(golden.text)).toEqual(golden.ids);
});

test("every method with a counterpart in kvpress is compared at three budgets", () => {
  const names = golden.results.map(({ method }) => method);
  expect([...new Set(names)].sort()).toEqual(
    [
      "expected-attention",
      "h2o",
      "keydiff",
      "knorm",
      "kvzip",
      "kvzip-uniform",
      "pyramidkv",
      "snapkv",
      "streaming",
      "tova",
    ].sort(),
  );
  for (const name of names) {
    expect(new Set(golden.results.filter(({ method }) => method === name).map(({ count }) => count)).size).toBe(3);
  }
});

describe.each(
  golden.results.map((result) => ({
    ...result,
    title: `${result.method} ${JSON.stringify(result.options)}, ${result.count} of ${golden.ids.length} rows`,
  })),
)("$title", (result) => {
  test("keeps what kvpress keeps", async () => {
    const { count, sinks } = result;
    const { positions } = await methodOf(result).compress({ context, count, sinks, seed: 0 });
    const apart = result.kept.flatMap((mask, entry) => {
      const [wanted, got] = [tokensIn(mask), [...(positions[positions.length === 1 ? 0 : entry] ?? [])]];
      const different = [...got.filter((at) => !wanted.includes(at)), ...wanted.filter((at) => !got.includes(at))];
      return different.length === 0 ? [] : [{ entry, different }];
    });
    for (const { entry, different } of apart) {
      const near = result.near[String(entry)] ?? [];
      expect(near, `entry ${entry} differs in tokens ${different.join(", ")}`).toEqual(
        expect.arrayContaining(different),
      );
      console.info(
        `near-tie: ${result.method}, ${count} rows, layer and head ${entry}: tokens ${different.join(", ")}`,
      );
    }
  });
});
