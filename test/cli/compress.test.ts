import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keyValueBytes, slotsOf } from "../../src/cache/kv-cache.ts";
import { describeKvd, loadKvd } from "../../src/cache/load-kvd.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";
import { SPAN_END, SPAN_START } from "../../src/models/marked-span.ts";
import { tinyAdapter, useTinyModel } from "../compress/tiny.ts";
import { jsonOf, llama, TEXT } from "./compress-ask.ts";
import { CLI_TIME, runCli } from "./run-cli.ts";

const { model } = useTinyModel("llama");
let folder = "";
const path = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-compress-"));
  process.env.KV_DISTILL_HOME = path("home");
  await writeFile(path("text.txt"), TEXT);
});
afterAll(async () => {
  delete process.env.KV_DISTILL_HOME;
  await rm(folder, { recursive: true });
});

const compress = (...args: readonly string[]) => runCli(["compress", "--model", llama, ...args]);
const streaming = (...args: readonly string[]) => compress("--method", "streaming", ...args);

describe("compress", { timeout: CLI_TIME }, () => {
  test("obtains what is asked for, and tells it for machines", async () => {
    const run = await streaming(path("text.txt"), "--keep", "25%", "--json");
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const told = jsonOf(run.stdout);
    const cache = await loadKvd(path("text.kvd"));
    const tokens = cache.contextLength;
    const rows = Math.round(tokens / 4);
    const bytes = keyValueBytes(model().config, rows, 2);
    expect(slotsOf(cache)).toBe(rows);
    expect(told).toMatchObject({
      file: path("text.kvd"),
      method: "streaming",
      asked: { kind: "fraction", value: 0.25 },
      obtained: { fraction: rows / tokens, tokens: rows, bytes },
      contextTokens: tokens,
      span: { start: 0, end: tokens },
      rows,
      keyValueBytes: bytes,
      fullKeyValueBytes: keyValueBytes(model().config, tokens, 2),
      fileBytes: (await stat(path("text.kvd"))).size,
      folds: 1,
    });
    expect((await stat(path("text.kvd"))).mode & 0o777).toBe(0o600);
  });

  test("a table for people: asked and obtained, in bytes; the text from stdin", async () => {
    const row = keyValueBytes(model().config, 1, 2);
    const asked = ["--bytes", String(9 * row + 3), "-o", path("stdin.kvd")];
    const run = await runCli(["compress", "-", "--model", llama, "--method", "random", ...asked], { stdin: TEXT });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/keys and values \(F16\) +│ 579 B +│ 576 B/);
    expect(run.stdout).toMatch(/tokens +│ +│ 9 of \d+/);
    expect(run.stdout).toContain("stdin.kvd");
    expect((await describeKvd(path("stdin.kvd"))).slots).toBe(9);
  });

  test("with an adapter; without one the error says what to do", async () => {
    await saveAdapter(path("adapter"), tinyAdapter(model(), { selection: "per-head" }));
    const run = await compress(
      path("text.txt"),
      "--tokens",
      "10",
      "--adapter",
      path("adapter"),
      "-o",
      path("kv.kvd"),
      "--json",
    );
    expect(jsonOf(run.stdout)).toMatchObject({ method: "kv-distill", rows: 10 });
    const without = await compress(path("text.txt"), "--tokens", "10", "-o", path("none.kvd"));
    expect(without).toMatchObject({ code: 1, stdout: "" });
    expect(without.stderr).toMatch(/--adapter.*--method/);
    expect(await readdir(folder)).not.toContain("none.kvd");
  });

  test("the marked part of a text, and of a conversation", async () => {
    const marked = `the dog ${SPAN_START}${TEXT}${SPAN_END} again`;
    await writeFile(path("marked.txt"), marked);
    await writeFile(path("chat.json"), JSON.stringify([{ role: "user", content: marked }]));
    const one = await streaming(path("marked.txt"), "--marked", "--tokens", "8", "--json");
    const two = await streaming("--messages", path("chat.json"), "--tokens", "8", "--json");
    for (const run of [one, two]) {
      const told = jsonOf(run.stdout) as { rows: number; contextTokens: number; span: { start: number; end: number } };
      expect(told.span.start).toBeGreaterThan(0);
      expect(told.rows).toBe(told.contextTokens - (told.span.end - told.span.start) + 8);
    }
    expect((await describeKvd(path("chat.kvd"))).provenance.span).toEqual(jsonOf(two.stdout).span);
    const unmarked = await streaming(path("marked.txt"), "--tokens", "8", "-o", path("unmarked.kvd"));
    expect(unmarked.stderr).toContain("--marked");
  });

  test("a text longer than the model reads: refused with a way out, or in folds", async () => {
    await writeFile(path("long.txt"), `${TEXT} `.repeat(12));
    const refused = await streaming(path("long.txt"), "--keep", "5%");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/at most 128 tokens.*\n.*--fold/);
    const folded = await streaming(path("long.txt"), "--tokens", "20", "--fold-tokens", "60", "--json");
    expect(jsonOf(folded.stdout)).toMatchObject({ rows: 20, obtained: { tokens: 20 } });
    expect(jsonOf(folded.stdout).folds).toBeGreaterThan(2);
  });

  test("input that is no text is refused, and where", async () => {
    await writeFile(path("latin1.txt"), Buffer.from("caf\xe9 au lait", "latin1"));
    await writeFile(path("blank.txt"), " \n");
    const latin1 = await streaming(path("latin1.txt"), "--keep", "5%");
    expect(latin1.code).toBe(1);
    expect(latin1.stderr).toMatch(/0xe9 at offset 3/);
    const stdin = ["compress", "-", "--keep", "5%", "-o", path("x.kvd"), "--model", llama];
    expect((await runCli(stdin, { stdin: "" })).stderr).toMatch(/stdin: the text is empty/);
    expect((await streaming(path("blank.txt"), "--keep", "5%")).stderr).toMatch(/the text is empty/);
    expect(await readdir(folder)).not.toContain("x.kvd");
  });

  test("4 bits, which only answers are computed in", async () => {
    const run = await streaming(path("text.txt"), "--keep", "25%", "--precision", "int4");
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/int4 is for answers/);
  });

  test("wrong command lines, all faults at once", async () => {
    const two = await streaming(path("text.txt"), "--keep", "5%", "--tokens", "9", "--messages", "x.json", "--json");
    expect(two.code).toBe(2);
    const { error } = jsonOf(two.stderr) as { error: { faults: string[] } };
    expect(error.faults).toEqual(["give one of --keep, --tokens and --bytes", "give either a file or --messages"]);
    const one = await streaming("-", "--keep", "0", "--adapter", "x");
    expect(one.code).toBe(2);
    expect(one.stderr).toMatch(/--keep/);
    expect((await streaming(path("text.kvd"), "--keep", "5%")).stderr).toMatch(/-o/);
  });

  test("stopped in the middle it leaves no file", async () => {
    await writeFile(path("endless.txt"), `${TEXT} `.repeat(4000));
    const args = [
      "compress",
      path("endless.txt"),
      "--tokens",
      "60",
      "--fold-tokens",
      "16",
      "--method",
      "random",
      "--model",
      llama,
    ];
    const run = await runCli(args, {
      meanwhile: (child) => {
        // The warning about the text's length comes when compressing begins.
        child.stderr.on("data", (text: string) => {
          if (text.includes("trained to read")) setTimeout(() => child.kill("SIGINT"), 50);
        });
      },
    });
    expect(run).toMatchObject({ code: 130, stdout: "" });
    expect((await readdir(folder)).filter((name) => name.includes("endless"))).toEqual(["endless.txt"]);
  });
});
