import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { expect, test } from "vitest";
import { attachAdapter, compressIds, loadModel, shippedAdapter } from "../../src/index.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { readingCache } from "../../src/generate/generate.ts";
import { smollm2 } from "./smollm2.ts";

const STATUS = "/proc/self/status";

/** Memory of this process that no file backs, in bytes: Linux only. */
async function privateBytes(): Promise<number> {
  return Number(/RssAnon:\s+(\d+) kB/.exec(await readFile(STATUS, "utf8"))?.[1]) * 1024;
}

test.skipIf(!existsSync(STATUS))("the graphs of a model read one copy of its weights", async () => {
  const { name } = await smollm2();
  const model = await loadModel(name);
  try {
    const { files } = model;
    const paths = new Set([...files.weights.values()].map(({ file }) => file));
    const sizes = await Promise.all([...paths].map(async (path) => (await stat(path)).size));
    const weightBytes = sizes.reduce((sum, size) => sum + size, 0);
    const text = "A short text, so that what is computed on the way takes little room. ".repeat(2);
    const ids = files.tokenizer.encodeParts([{ text, special: "plain" }]);
    const adapter = await attachAdapter(model, await shippedAdapter(files));
    const before = await privateBytes();
    // Reading, scoring, encoding with an adapter, attention received, statistics of queries, reading ragged heads: a graph each, or several.
    for (const method of ["full", "kv-distill", "h2o", "snapkv", "expected-attention", "kvzip"]) {
      const keep = { kind: "fraction", value: method === "full" ? 1 : 0.5 } as const;
      const cache = await compressIds(model, ids, { method: methodNamed(method, adapter), adapter, keep });
      const reading = await readingCache(model, cache);
      const { data } = await model.forward({ ids: ids.slice(0, 3), cache: reading, logitRows: [2] });
      expect(data.every(Number.isFinite)).toBe(true);
      reading.release();
    }
    const taken = (await privateBytes()) - before;
    expect(weightBytes).toBeGreaterThan(500e6);
    expect(taken).toBeLessThan(weightBytes / 2);
  } finally {
    await model.close();
  }
});
