import { mkdtemp, readFile, rm, writeFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPerHead, keyValueBytes, type KvCache } from "../../src/cache/kv-cache.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";
import { saveKvd } from "../../src/cache/save-kvd.ts";
import { keptShares, keptTokens } from "../../src/compress/kept-in-cache.ts";
import { LEVELS, markedText, markLevels } from "../../src/util/html/marked-text.ts";
import { openModel } from "../../src/models/open.ts";
import { printable } from "../../src/util/printable.ts";
import { sampleAdapter } from "../cache/sample-adapter.ts";
import { anyCache, provenance, raggedCache, sampleCache } from "../cache/sample-cache.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { CLI_TIME, runCli } from "./run-cli.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-inspect-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("kept tokens", () => {
  test("every row is counted once, at its position", () => {
    fc.assert(
      fc.property(anyCache, (cache) => {
        const { heads, holders, scores } = keptTokens(cache);
        expect(heads).toBe(isPerHead(cache) ? cache.layers.length * cache.numKvHeads : 1);
        expect(holders.reduce((sum, count) => sum + count, 0)).toBe(cache.positions.length);
        for (const position of cache.positions) expect(holders[position]).toBeGreaterThan(0);
        cache.positions.forEach((position, row) => {
          if (scores !== undefined) expect(scores[position]).toBeGreaterThanOrEqual(cache.scores?.[row] ?? NaN);
        });
        const levels = markLevels({ heads, holders, scores });
        levels.forEach((level, token) => {
          expect(level > 0).toBe((holders[token] ?? 0) > 0);
          expect(level).toBeLessThanOrEqual(LEVELS);
        });
      }),
    );
  });

  test("shares along the span add up to what was obtained", () => {
    const kept = keptTokens(sampleCache());
    expect(keptShares(kept, { start: 0, end: 12 }, 3)).toEqual([0.5, 0, 0.25]);
    expect(keptShares(kept, { start: 2, end: 10 }, 100)).toEqual([1, 0, 0, 0, 0, 0, 0, 1]);
  });

  test.each(["a higher score", "held by more heads"])("%s is never marked weaker, equals are marked alike", (what) => {
    const strengths = fc.array(fc.nat(9), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(strengths, (given) => {
        const marks =
          what === "a higher score"
            ? { heads: 1, holders: Uint32Array.from(given, () => 1), scores: Float32Array.from(given) }
            : { heads: 90, holders: Uint32Array.from(given, (count) => count + 1), scores: undefined };
        const levels = markLevels(marks);
        for (const [a, strengthA] of given.entries()) {
          for (const [b, strengthB] of given.entries()) {
            if (strengthA > strengthB) expect(levels[a]).toBeGreaterThanOrEqual(levels[b] ?? NaN);
            if (strengthA === strengthB) expect(levels[a]).toBe(levels[b]);
          }
        }
        expect(Math.max(...levels)).toBe(LEVELS);
      }),
    );
  });

  test("where few of many heads hold a token, the steps are used all the same", () => {
    const holders = Uint32Array.from({ length: 20 }, (_, token) => (token % 4 === 3 ? 0 : 1 + token));
    const levels = markLevels({ heads: 90, holders, scores: undefined });
    expect(new Set(levels)).toEqual(new Set([0, 1, 2, 3, 4, 5]));
  });
});

describe("marked text", { timeout: CLI_TIME }, () => {
  const unescape = (html: string): string =>
    html
      .replaceAll(/<\/?mark[^>]*>/g, "")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&");

  test("is the text, whatever is kept, also where tokens share a character", async () => {
    const { tokenizer } = await openModel(tinyModel("llama"));
    const text = fc.string({ unit: fc.constantFrom("a", "<", "&", '"', "é", "日", "🌟", "\n", " the", "</mark>") });
    fc.assert(
      fc.property(text, fc.infiniteStream(fc.nat(5)), (given, holdersOf) => {
        const ids = tokenizer.encode(given, { special: "parse" });
        const holders = Uint32Array.from(ids, () => Number(holdersOf.next().value));
        const spans = tokenizer.spans(ids);
        const html = markedText(spans, { heads: 5, holders, scores: undefined });
        expect(unescape(html)).toBe(printable(spans.text));
        expect(html.replaceAll(/<mark class="k[1-5]( n)?" title="[^"<>]*">|<\/mark>/g, "")).not.toMatch(/[<>]/);
        if (holders.every((count) => count > 0)) expect(html.replaceAll(/<mark[^>]*>[^<]*<\/mark>/g, "")).toBe("");
      }),
    );
  });
});

describe("inspect and verify", { timeout: CLI_TIME }, () => {
  const save = async (name: string, cache: KvCache): Promise<string> => {
    await saveKvd(join(folder, name), cache);
    return join(folder, name);
  };

  test("a cache as JSON and as a table", async () => {
    const path = await save("a.kvd", sampleCache());
    const run = await runCli(["inspect", path, "--json"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const shape = { numLayers: 2, numKvHeads: 2, headDim: 2 };
    expect(JSON.parse(run.stdout)).toMatchObject({
      kind: "cache",
      path,
      fileSize: (await stat(path)).size,
      model: { name: provenance.modelName, sha256: provenance.modelHash },
      adapter: null,
      method: "streaming",
      keep: { asked: { kind: "fraction", value: 0.25 }, obtained: 0.25 },
      contextLength: 12,
      span: { start: 2, end: 10 },
      slots: 3,
      perHead: false,
      dtype: "F16",
      bytes: { keysAndValues: keyValueBytes(shape, 3, 2), uncompressed: keyValueBytes(shape, 12, 2) },
      positions: { first: 0, last: 9, leading: 1, heldBySome: 3, heldByAll: 3 },
      scores: { lowest: -1.5, highest: 3 },
    });
    const table = await runCli(["inspect", path]);
    expect(table).toMatchObject({ code: 0, stderr: "" });
    for (const shown of [provenance.modelHash, "keep obtained", "25%, 3 rows of every head", "tokens 2 to 9 (8)"]) {
      expect(table.stdout).toContain(shown);
    }
  });

  test("of heads with different numbers of rows: the mean, the fewest and the most", async () => {
    const path = await save("ragged.kvd", raggedCache());
    const run = await runCli(["inspect", path, "--json"]);
    const shape = { numLayers: 2, numKvHeads: 2, headDim: 2 };
    expect(JSON.parse(run.stdout)).toMatchObject({
      slots: 2,
      rowsOfHeads: { fewest: 1, most: 3 },
      perHead: true,
      bytes: { keysAndValues: keyValueBytes(shape, 2, 2) },
      positions: { first: 0, last: 11, heldBySome: 5, heldByAll: 0 },
    });
    const table = await runCli(["inspect", path]);
    expect(table.stdout).toContain("2 rows a head on average");
    expect(table.stdout).toContain("1 to 3 rows");
    expect(await runCli(["verify", path])).toMatchObject({ code: 0 });
  });

  test("a page with the text: one file, nothing loaded, for its model only", async () => {
    const model = tinyModel("llama");
    const { tokenizer, hash, tokenizerHash, name } = await openModel(model);
    const text = "the <b>mat</b> & at\nin the mat";
    const ids = tokenizer.encode(text, { special: "parse" });
    const fitting = { ...provenance, modelName: name, modelHash: hash, tokenizerHash };
    const span = { start: 0, end: ids.length };
    const changes = { tokenIds: Int32Array.from(ids), contextLength: ids.length, positions: Int32Array.of(0, 2, 5) };
    const path = await save("b.kvd", sampleCache({ ...changes, provenance: { ...fitting, span } }));
    const html = join(folder, "b.html");
    const run = await runCli(["inspect", path, "--html", html, "--model", model, "--json"]);
    expect(run).toMatchObject({ code: 0, stderr: `wrote ${html}\n` });
    const page = await readFile(html, "utf8");
    expect(page).not.toMatch(/<script|<link|src=|href=|url\(|@import|https?:/);
    expect(page).toContain("prefers-color-scheme:dark");
    expect(/<article>[^]*<\/article>/.exec(page)?.[0].match(/<mark /g)).toHaveLength(3);
    expect(page).not.toContain("<b>");
    expect((await stat(html)).mode & 0o777).toBe(0o600);

    const foreign = await save("c.kvd", sampleCache());
    const refused = await runCli(["inspect", foreign, "--html", join(folder, "c.html"), "--model", model]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^error: \[model-mismatch\]/);
    await expect(stat(join(folder, "c.html"))).rejects.toThrow();
  });

  test("verify: 0 for a whole file, 1 and the reason for a flipped bit", async () => {
    const path = await save("d.kvd", sampleCache());
    const whole = await runCli(["verify", path, "--json"]);
    expect(whole).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(whole.stdout)).toMatchObject({ ok: true, kind: "cache", path, model: null });
    const bytes = await readFile(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(path, bytes);
    const damaged = await runCli(["verify", path, "--json"]);
    expect(damaged).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(damaged.stderr)).toMatchObject({ error: { code: "checksum-mismatch", where: path } });
  });

  test("an adapter folder", async () => {
    const path = join(folder, "adapter");
    const sha256 = await saveAdapter(path, sampleAdapter());
    const run = await runCli(["inspect", path, "--json"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(run.stdout)).toMatchObject({
      kind: "adapter",
      rank: 3,
      gate: "straight-through",
      routing: "kept",
      scorer: { norm: "layer", activation: "gelu", width: 8 },
      sha256,
    });
    const verified = await runCli(["verify", path]);
    expect(verified).toMatchObject({ code: 0, stdout: `${path}: whole (sha256 ${sha256})\n`, stderr: "" });
    await writeFile(join(path, "scorer.safetensors"), "nothing");
    expect(await runCli(["verify", path])).toMatchObject({ code: 1, stdout: "" });
  });
});
