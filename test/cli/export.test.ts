import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isRaggedCache } from "../../src/cache/kv-cache.ts";
import { loadKvd } from "../../src/cache/load-kvd.ts";
import { RUNTIMES } from "../../src/cli/commands/export.ts";
import { jsonOf, llama, TEXT } from "./compress-ask.ts";
import { CLI_TIME, runCli } from "./run-cli.ts";

let folder = "";
const path = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-export-"));
  process.env.KV_DISTILL_HOME = path("home");
  await writeFile(path("text.txt"), TEXT);
  for (const [name, method, ...more] of [
    ["ragged", "kvzip"],
    ["uniform", "kvzip-uniform", "--exportable"],
  ] as const) {
    const output = ["-o", path(`${name}.kvd`), "--keep", "50%", "--method", method, ...more];
    const run = await runCli(["compress", path("text.txt"), "--model", llama, ...output]);
    expect(run.code, run.stderr).toBe(0);
  }
}, CLI_TIME);
afterAll(async () => {
  delete process.env.KV_DISTILL_HOME;
  await rm(folder, { recursive: true });
});

test.each(RUNTIMES)(
  "%s: heads with different numbers of rows are refused by the cache's name, with what to do; nothing is written",
  async (to) => {
    expect(isRaggedCache(await loadKvd(path("ragged.kvd")))).toBe(true);
    const before = await readdir(folder);
    const run = await runCli(["export", path("ragged.kvd"), "--to", to, "--model", llama, "--json"]);
    expect(run.code).toBe(1);
    expect(run.stdout).toBe("");
    expect(jsonOf(run.stderr)).toMatchObject({
      error: {
        code: "unsupported",
        where: path("ragged.kvd"),
        got: "a cache made by kvzip",
        hint: expect.stringContaining("--exportable") as string,
      },
    });
    expect(await readdir(folder)).toEqual(before);
  },
  CLI_TIME,
);

test.each(RUNTIMES)(
  "%s: of the same text an exportable cache is written",
  async (to) => {
    const output = path(`out-${to}`);
    const args = ["export", path("uniform.kvd"), "--to", to, "--model", llama, "--output", output, "--json"];
    const run = await runCli(args);
    expect(run.code, run.stderr).toBe(0);
    const { files } = jsonOf(run.stdout) as { files: string[] };
    expect(files).toContain(output);
    expect(files.map((file) => file.slice(folder.length + 1)).filter((file) => file.includes("/"))).toEqual([]);
    const there = await readdir(folder);
    for (const file of files) expect(there).toContain(file.slice(folder.length + 1));
  },
  CLI_TIME,
);
