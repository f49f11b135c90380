import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadKvd } from "../../src/cache/load-kvd.ts";
import { generate } from "../../src/generate/generate.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { cacheHome } from "../../src/models/home.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { VERSION } from "../../src/util/version.ts";
import { runCli } from "../cli/run-cli.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { smollm2 } from "./smollm2.ts";

// It is among the slow tests because it installs onnxruntime-node (113 MB, from npm's cache where it is there).

const root = fileURLToPath(new URL("../..", import.meta.url));
const execute = promisify(execFile);
const llama = tinyModel("llama");

const PARAGRAPH =
  "This archipelago consists of ten principal islands, of which five exceed the others in size. They are situated under the Equator, and " +
  "between five and six hundred miles westward of the coast of America. They are all formed of volcanic rocks.";

let work = "";
/** A person's project that has installed the package. */
let project = "";
let packed: readonly string[] = [];

/** Runs a program; it must end with 0. */
function run(
  program: string,
  args: readonly string[],
  folder: string,
  { home = join(work, "home"), stdin = "" }: { readonly home?: string; readonly stdin?: string } = {},
): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip", KV_DISTILL_HOME: home, NO_COLOR: "1" };
  const running = execute(program, [...args], { cwd: folder, env, maxBuffer: 1 << 24 });
  running.child.stdin?.end(stdin);
  return running;
}

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "kv-distill-pack-"));
  project = join(work, "project");
  await mkdir(project);
  // Compiles what has changed first.
  await run("npm", ["pack", "--pack-destination", work], root);
  const [tarball = ""] = (await readdir(work)).filter((name) => name.endsWith(".tgz"));
  const listed = await run("tar", ["-tzf", tarball], work);
  packed = listed.stdout
    .trim()
    .split("\n")
    .map((path) => path.replace(/^package\//, ""));
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  const installed = await run("npm", ["install", ...quiet, join(work, tarball)], project);
  expect(installed.stderr).toBe("");
});
afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

describe("the packed package, installed elsewhere", () => {
  test("holds what is compiled, not what it is made from", () => {
    expect(packed).toEqual(
      expect.arrayContaining([
        "package.json",
        "dist/index.js",
        "dist/index.d.ts",
        "dist/cli/main.js",
        "dist/page/index.html",
      ]),
    );
    expect(packed.filter((path) => /^(src|test|tools)\/|(?<!\.d)\.ts$/.test(path))).toEqual([]);
  });

  test("is imported without a word on stderr", async () => {
    const program = 'import * as library from "kv-distill"; console.log(Object.keys(library).sort().join(" "));';
    const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", program], project);
    expect(stderr).toBe("");
    expect(stdout.trim().split(" ")).toEqual(Object.keys(await import("../../src/index.ts")).sort());
  });

  test("its command tells the version and a tiny model's logits, without a word on stderr", async () => {
    const command = join(project, "node_modules/.bin/kv-distill");
    expect(await run(command, ["--version"], project)).toEqual({ stdout: `${VERSION}\n`, stderr: "" });
    const asked = ["logits", "--model", llama, "--ids", "1,2,3", "--json"];
    const { stdout, stderr } = await run(command, asked, project);
    expect(stderr).toBe("");
    const ids = (text: string): number[] => (JSON.parse(text) as { next: { id: number }[] }).next.map(({ id }) => id);
    expect(ids(stdout)).toEqual(ids((await runCli(asked)).stdout));
  });
});

describe("examples, copied into a project that has installed the package, on the real model", () => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = new LanguageModel(await smollm2(), await createRuntime());
    await cp(join(project, "node_modules/kv-distill/examples"), join(project, "examples"), { recursive: true });
  });
  afterAll(() => model.close());

  const example = (name: string, args: readonly string[], stdin = "") =>
    run(process.execPath, ["--import", import.meta.resolve("tsx"), join("examples", name), ...args], project, {
      home: cacheHome(),
      stdin,
    });

  test("compress-and-ask.mts answers as the library does from the file that it wrote", async () => {
    const questions = ["How many principal islands are there?", "Where do they lie?"];
    await writeFile(join(project, "own.txt"), PARAGRAPH);
    const { stdout, stderr } = await example("compress-and-ask.mts", ["own.txt", ...questions]);
    expect(stderr).toBe("");
    const cache = await loadKvd(join(project, "text.kvd"), { expectModel: model.files });
    expect(cache.provenance.method).toBe("kv-distill");
    let told = "";
    for (const prompt of questions) {
      told += `\n> ${prompt}\n`;
      for await (const piece of generate(model, { cache, prompt, maxTokens: 64 })) told += piece;
      told += "\n";
    }
    expect(stdout.slice(stdout.indexOf("\n") + 1)).toBe(told);
  });

  test("the README's ten lines", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const [, lines = ""] = /## As a library\n```ts\n(.*?)```/s.exec(readme) ?? [];
    const before = `import { readFileSync } from "node:fs"; const text = readFileSync("own.txt", "utf8");\n`;
    await writeFile(join(project, "readme.mjs"), before + lines);
    const { stdout, stderr } = await run(process.execPath, ["readme.mjs"], project, { home: cacheHome() });
    expect(stderr).toBe("");
    const cache = await loadKvd(join(project, "report.kvd"), { expectModel: model.files });
    let told = "";
    for await (const piece of generate(model, { cache, prompt: "What was decided?" })) told += piece;
    expect(told).not.toBe("");
    expect(stdout).toBe(told);
  });

  test("chat.mts compresses older turns with the adapter and goes on", async () => {
    const stdin = "How many principal islands are there?\nWhere do they lie?\nWhat are they formed of?\n";
    const { stdout } = await example("chat.mts", ["own.txt", "50"], stdin);
    const counts = [...stdout.matchAll(/(\d+) tokens in (\d+) rows/g)].map(([, tokens, rows]) =>
      [tokens, rows].map(Number),
    );
    expect(counts).toHaveLength(3);
    for (const [tokens = 0, rows = 0] of counts) expect(rows).toBeLessThan(0.75 * tokens);
  });
});
