import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadKvd } from "../../src/cache/load-kvd.ts";
import { generate } from "../../src/generate/generate.ts";
import { printable } from "../../src/util/printable.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { compressedText, jsonOf, llama } from "./compress-ask.ts";
import { CLI_TIME, expectBeginning, runCli, stopAtFirstPiece } from "./run-cli.ts";

const { model } = useTinyModel("llama");
let folder = "";
let cache = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-ask-"));
  process.env.KV_DISTILL_HOME = join(folder, "home");
  cache = await compressedText(folder);
}, CLI_TIME);
afterAll(async () => {
  delete process.env.KV_DISTILL_HOME;
  await rm(folder, { recursive: true });
});

const ask = (...args: readonly string[]) => runCli(["ask", cache, "--model", llama, ...args]);

/** What the library answers. */
async function answerOf(
  prompt: string,
  options: { maxTokens: number; style?: "short-answer"; seed?: number },
): Promise<string> {
  let text = "";
  const sampling = options.seed === undefined ? {} : { sampling: { temperature: 0.8, topP: 0.9 } };
  const given = { cache: await loadKvd(cache), prompt, ...options, ...sampling };
  for await (const piece of generate(model(), given)) text += piece;
  return text;
}

describe("ask", { timeout: CLI_TIME }, () => {
  test("answers as the library does from the same file, the same every time", async () => {
    const run = await ask("who sat?", "--json", "-n", "16");
    expect(run.code).toBe(0);
    const told = jsonOf(run.stdout);
    expect(told).toMatchObject({ question: "who sat?", answer: await answerOf("who sat?", { maxTokens: 16 }) });
    expect(told).toMatchObject({ cache: { tokens: 12, memoryBytes: 12 * 2 * 2 * 2 * 4 * 4 } });
    expect(told.finish).toBe(told.tokens === 16 ? "length" : "stop");
    expect(jsonOf((await ask("who sat?", "--json", "-n", "16")).stdout).answer).toBe(told.answer);
  });

  test("style, seed and sampling are the person's", async () => {
    const styled = await ask("who sat?", "--json", "-n", "8", "--style", "short-answer");
    expect(jsonOf(styled.stdout).answer).toBe(await answerOf("who sat?", { maxTokens: 8, style: "short-answer" }));
    const drawn = await ask("who sat?", "--json", "-n", "8", "--temperature", "0.8", "--top-p", "0.9", "--seed", "0");
    expect(jsonOf(drawn.stdout).answer).toBe(await answerOf("who sat?", { maxTokens: 8, seed: 0 }));
  });

  test("the answer alone on stdout, control characters written out", async () => {
    const run = await ask("who sat?", "-n", "16");
    const answer = await answerOf("who sat?", { maxTokens: 16 });
    expect(run.stdout).toBe(printable(answer.endsWith("\n") ? answer : `${answer}\n`));
    expect(run.stderr).toMatch(/first token after/);
  });

  test("a question a line from stdin, each on its own", async () => {
    const stdin = "who sat?\n\nwhere?\r\nwho sat?";
    const run = await runCli(["ask", cache, "--model", llama, "--json", "-n", "8"], { stdin });
    const told = run.stdout.trim().split("\n").map(jsonOf);
    expect(told.map(({ question }) => question)).toEqual(["who sat?", "where?", "who sat?"]);
    expect(told[2]?.answer).toBe(told[0]?.answer);
    expect(told[1]?.answer).toBe(await answerOf("where?", { maxTokens: 8 }));
  });

  test("beside the full cache's answer, with memory and time", async () => {
    const run = await ask("who sat?", "--compare", "full", "--json", "-n", "8");
    const told = jsonOf(run.stdout) as {
      cache: { tokens: number; memoryBytes: number };
      full: typeof told & { answer: string };
    };
    const { contextLength } = await loadKvd(cache);
    expect(told.full.cache.tokens).toBe(contextLength);
    expect(told.full.cache.memoryBytes / told.cache.memoryBytes).toBeCloseTo(contextLength / 12);
    const table = await ask("who sat?", "--compare", "full", "-n", "8");
    expect(table.stdout).toMatch(/compressed cache +│ full cache/);
    expect(table.stdout).toMatch(/first token after/);
    // One for the compressed cache, one for the full.
    expect(table.stdout).toMatch(/speed +│ +[\d.,]+ tokens\/s +│ +[\d.,]+ tokens\/s/);
  });

  test("streams: stopped at the first piece, it has written a beginning of the answer", async () => {
    const whole = await ask("who sat?", "-n", "60");
    const stopped = await runCli(["ask", cache, "who sat?", "--model", llama, "-n", "60"], stopAtFirstPiece());
    expect(stopped.code).not.toBe(0);
    expectBeginning(stopped.stdout, whole.stdout);
  });

  test("an answer that was cut is said to be", async () => {
    const run = await ask("who sat?", "-n", "1");
    expect(run.stderr).toMatch(/stopped after 1 tokens \(--max-tokens\)/);
  });

  test("another model, a missing file and an empty question are refused", async () => {
    const other = await runCli(["ask", cache, "who?", "--model", tinyModel("qwen3"), "--json"]);
    expect(other).toMatchObject({ code: 1, stdout: "" });
    expect(jsonOf(other.stderr)).toMatchObject({ error: { code: "model-mismatch" } });
    const missing = await runCli(["ask", join(folder, "nothing.kvd"), "who?", "--json"]);
    expect(jsonOf(missing.stderr)).toMatchObject({ error: { code: "not-found" } });
    expect((await ask(" ")).code).toBe(2);
  });
});
