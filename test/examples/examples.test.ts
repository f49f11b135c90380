import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadKvd } from "../../src/cache/load-kvd.ts";
import { tinyModel } from "../models/tiny-models.ts";

// On a model of 300 words that answers nonsense. test/weights runs them on the real one, as packed.

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsx = import.meta.resolve("tsx");
const TIME = 300_000;
const TEXT = "the cat sat on the mat and the dog sat on the log";

let work = "";
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), "kv-distill-examples-"));
  await writeFile(join(work, "text.txt"), TEXT);
});
afterEach(() => rm(work, { recursive: true }));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an example in the work folder, `kv-distill` being the sources. */
function run(name: string, args: readonly string[], stdin = ""): Promise<Run> {
  const env = {
    ...process.env,
    MODEL: tinyModel("llama"),
    METHOD: "streaming",
    TSX_TSCONFIG_PATH: join(root, "tsconfig.json"),
    NO_COLOR: "1",
  };
  const command = ["--import", tsx, join(root, "examples", name), ...args];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, command, { cwd: work, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === "number") resolve({ code, stdout, stderr });
      else reject(error ?? new Error("no exit code"));
    });
    child.stdin?.end(stdin);
  });
}

test("every example is listed and run here, and is shorter than 60 lines", async () => {
  const programs = (await readdir(join(root, "examples"))).filter((name) => name.endsWith(".mts"));
  const readme = await readFile(join(root, "examples/README.md"), "utf8");
  const tests = await readFile(fileURLToPath(import.meta.url), "utf8");
  expect(programs.length).toBe(5);
  for (const name of programs) {
    expect(readme).toContain(`| ${name} |`);
    expect(tests).toContain(`describe("${name}"`);
    const source = await readFile(join(root, "examples", name), "utf8");
    expect(source.split("\n").length, name).toBeLessThan(60);
    expect(source).toContain('from "kv-distill"');
  }
});

describe("compress-and-ask.mts", () => {
  test("the file holds a quarter of the rows; questions are answered from it", { timeout: TIME }, async () => {
    const { code, stdout, stderr } = await run("compress-and-ask.mts", ["text.txt", "who sat", "where"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const cache = await loadKvd(join(work, "text.kvd"));
    const rows = Math.round(cache.contextLength / 4);
    expect(cache.positions.length).toBe(rows);
    const [first, ...rest] = stdout.split("\n");
    expect(first).toMatch(`text.kvd: ${rows} rows for ${cache.contextLength} tokens, `);
    expect(rest.filter((line) => line.startsWith("> "))).toEqual(["> who sat", "> where"]);
  });
});

describe("chat.mts", () => {
  test("older turns are compressed in place when rows are many", { timeout: TIME }, async () => {
    const { code, stdout, stderr } = await run("chat.mts", ["text.txt", "20"], "who sat\n\nwhere\n");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [before, after] = [/^(\d+) tokens in (\d+) rows\. Ask:/, /\(compressed: (\d+) tokens in (\d+) rows\)/].map(
      (pattern) => pattern.exec(stdout)?.slice(1).map(Number) ?? [],
    );
    expect(after?.[0]).toBeGreaterThan(before?.[0] ?? Infinity);
    // Compressed are the context's and the first turn's rows, whole is the last turn.
    expect((after?.[0] ?? 0) - (after?.[1] ?? 0)).toBeGreaterThan((before?.[0] ?? 0) - (before?.[1] ?? 0));
  });
});

describe("compress-folder.mts", () => {
  test("each text once; a faulty one is told and does not end the work", { timeout: TIME }, async () => {
    await writeFile(join(work, "another.txt"), `${TEXT} again`);
    await writeFile(join(work, "empty.txt"), "");
    const first = await run("compress-folder.mts", [".", "0.5"]);
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(/^empty\.txt: .*the text is empty\n$/);
    expect(first.stdout.split("\n").map((line) => line.split(":")[0])).toEqual(["another.txt", "text.txt", ""]);
    expect((await readdir(work)).filter((name) => name.endsWith(".kvd"))).toEqual(["another.kvd", "text.kvd"]);
    await rm(join(work, "empty.txt"));
    const again = await run("compress-folder.mts", [".", "0.5"]);
    expect(again).toEqual({ code: 0, stdout: "", stderr: "" });
  });
});

describe("compare-methods.mts", () => {
  test("a line for each method; the full cache is itself", { timeout: TIME }, async () => {
    const rows = ["cat", "log"].map((answer) => JSON.stringify({ context: TEXT, question: "what", answer }));
    await writeFile(join(work, "own.jsonl"), `${rows.join("\n")}\n`);
    const methods = ["full", "streaming", "none"];
    const { code, stdout } = await run("compare-methods.mts", ["own.jsonl", "0.5", ...methods]);
    expect(code).toBe(0);
    const [title, ...lines] = stdout.trimEnd().split("\n");
    expect(title).toBe("2 questions, 0.5 kept");
    expect(lines.map((line) => line.split(":")[0]).sort()).toEqual(methods.sort());
    const lineOf = (method: string): string | undefined => lines.find((line) => line.startsWith(`${method}:`));
    expect(lineOf("full")).toContain("KL 0.00, 100 % of rows");
    expect(lineOf("streaming")).toContain("50 % of rows");
  });
});

describe("train-adapter.mts", () => {
  test("trains, saves, answers; run again it is finished already", { timeout: TIME }, async () => {
    const rows = [TEXT, `${TEXT} again`].map((context) => JSON.stringify({ context, question: "who", answer: "cat" }));
    await writeFile(join(work, "own.jsonl"), `${rows.join("\n")}\n`);
    const { code, stdout } = await run("train-adapter.mts", ["own.jsonl", "2", "run"]);
    expect(code).toBe(0);
    expect(stdout.match(/^step \d: forward KL to the full cache \d/gm)).toHaveLength(2);
    expect(stdout).toContain("\ntrained: ");
    expect(stdout).toContain("\n> who\n");
    const again = await run("train-adapter.mts", ["own.jsonl", "2", "run"]);
    expect(again.code).toBe(0);
    expect(again.stdout).not.toContain("step ");
    expect(again.stdout.slice(again.stdout.indexOf("trained"))).toBe(stdout.slice(stdout.indexOf("trained")));
  });
});
