import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CASES } from "./fuzz/cases.ts";
import { BLOCK, casesOf } from "./fuzz/long-run/shares.ts";
import { TARGETS } from "./fuzz/targets/index.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const TARGET_FOLDER = "test/fuzz/targets";

/** What a source that takes bytes or text apart has in it. */
const PARSES =
  /JSON\.parse\(|parseStrictJson\(|parseSmallJson\(|[sS]afeParse\(|[sS]chema\.parse\(|new DataView\(|\.readUInt|getUint32|parseDocument\(|URL\.canParse\(/;

/** Sources that parse, and the target that gives each hostile input. */
const FUZZED: Readonly<Record<string, string>> = {
  "src/bench/baseline.ts": "small-files",
  "src/cache/kvd-metadata.ts": "kvd",
  "src/cache/load-adapter.ts": "adapter",
  "src/cache/load-bare-adapter.ts": "adapter",
  "src/cache/read-adapter.ts": "adapter",
  "src/data/read-rows.ts": "row-readers",
  "src/data/sources/p3/prompt-templates.ts": "prompt-templates",
  "src/data/sources/read/read-records.ts": "data-sources",
  "src/data/sources/record-source.ts": "data-sources",
  "src/data/store/header.ts": "token-store",
  "src/data/store/id-bytes.ts": "token-store",
  "src/data/store/index-file.ts": "token-store",
  "src/distribute/carried-json.ts": "stored-work",
  "src/distribute/documents/folder-config.ts": "distributed-files",
  "src/distribute/documents/parse-line.ts": "distributed-files",
  "src/distribute/jobs/payload.ts": "queue-payload",
  "src/distribute/redis/address.ts": "distributed-files",
  "src/distribute/run/memory.ts": "distributed-files",
  "src/distribute/training/round-memory.ts": "distributed-files",
  "src/evaluate/report/read-questions-csv.ts": "evaluation-run",
  "src/evaluate/report/stored-result.ts": "evaluation-lines",
  "src/evaluate/run/kept-file.ts": "evaluation-lines",
  "src/evaluate/run/reuse.ts": "evaluation-config",
  "src/evaluate/run/row-file.ts": "evaluation-lines",
  "src/evaluate/run/run-folder.ts": "evaluation-config",
  "src/formats/gguf/cursor.ts": "gguf-header",
  "src/formats/gguf/scalars.ts": "gguf-header",
  "src/formats/safetensors/header.ts": "safetensors-header",
  "src/formats/safetensors/read-header.ts": "safetensors-folder",
  "src/formats/safetensors/shard-index.ts": "safetensors-folder",
  "src/models/chat-context.ts": "small-files",
  "src/models/loading/chat-template-of.ts": "model-config",
  "src/models/loading/describe.ts": "model-config",
  "src/models/pull/hub/model-info.ts": "small-files",
  "src/models/pull/pulled-model.ts": "pulled-models",
  "src/models/read-config.ts": "model-config",
  "src/models/tokenizer.ts": "tokenizer",
  "src/server/http/body.ts": "http",
  "src/server/shared-runs/run-facts.ts": "shared-runs",
  "src/train/checkpoint-manifest.ts": "checkpoint",
  "src/train/config.ts": "training-run",
  "src/train/metrics.ts": "shared-runs",
  "src/train/run-files.ts": "training-run",
  "src/util/strict-json.ts": "strict-json",
};

/** Sources that look as if they parsed what comes from outside, and why they do not, or why a target would add nothing. */
const NOT_FUZZED: Readonly<Record<string, string>> = {
  "src/bench/profile/trace.ts": "what ONNX Runtime has written in this process",
  "src/bench/sides/peers.ts": "what tools/peers/setup.mjs has written",
  "src/bench/sides/serve.ts": "lines from the process that started it",
  "src/bench/sides/side.ts": "lines from processes that the benchmark starts",
  "src/browser/load-adapter.ts": "reads by read-adapter.ts (adapter)",
  "src/browser/storage.ts": "a list that it has written into the browser's storage itself",
  "src/cli/commands/compress.ts": "reads by strict-json.ts and chat-context.ts (small-files)",
  "src/cli/train/asked.ts": "reads by strict-json.ts and train/config.ts (training-run)",
  "src/cli/values/web-names.ts": "a word of the command line",
  "src/data/prepare/deduplicate.ts": "a digest that it has made itself",
  "src/evaluate/report/settings.ts": "texts that it has written itself",
  "src/evaluate/tasks/ruler/documents.ts": "rows that read-records.ts has parsed (data-sources)",
  "src/formats/safetensors/encode-header.ts": "writes",
  "src/models/pull/check-opens.ts": "reads by strict-json.ts and read-config.ts (model-config)",
  "src/models/pull/hub/endpoint.ts": "a variable of the environment",
  "src/util/bounded-list.ts": "a part of the schemas that others read by",
};

describe("S18: every parser runs against a fuzzer", async () => {
  const sources = await parsingSources();

  test("each is told here, and nothing else", () => {
    expect(sources.length).toBeGreaterThan(40);
    expect([...Object.keys(FUZZED), ...Object.keys(NOT_FUZZED)].sort()).toEqual(sources);
  });

  test.each(Object.entries(FUZZED))("%s is reached by %s", async (source, target) => {
    expect(TARGETS.map(({ name }) => name)).toContain(target);
    expect(await reachedBy(await fileOf(target))).toContain(source);
  });

  test("100,000 cases are drawn, some of every target, and each target's tests run", () => {
    const drawn = TARGETS.map((target) => casesOf(target, CASES / BLOCK));
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(100);
    expect(drawn.reduce((sum, cases) => sum + cases, 0)).toBeGreaterThanOrEqual(99_000);
    expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length);
  });

  test("continuous integration runs them", async () => {
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    expect(scripts["test:fuzz"]).toContain("vitest run --project fuzz");
    expect(await readFile(join(root, ".ci/run"), "utf8")).toMatch(/^npm run (?:--silent )?test:fuzz\b/m);
  });
});

async function parsingSources(): Promise<string[]> {
  const names = (await readdir(join(root, "src"), { recursive: true })).filter((name) => name.endsWith(".ts"));
  const found: string[] = [];
  for (const name of names.map((own) => `src/${own}`)) {
    // Made by a program out of ONNX's own description.
    if (name.endsWith("onnx_pb.ts")) continue;
    if (PARSES.test(withoutComments(await readFile(join(root, name), "utf8")))) found.push(name);
  }
  return found.sort();
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
}

/** The file that a target is in. */
async function fileOf(target: string): Promise<string> {
  for (const name of await readdir(join(root, TARGET_FOLDER))) {
    const text = await readFile(join(root, TARGET_FOLDER, name), "utf8");
    if (text.includes(`name: "${target}"`)) return `${TARGET_FOLDER}/${name}`;
  }
  throw new Error(`no target ${target}`);
}

/** Every file that one imports, and those that these import. */
async function reachedBy(file: string): Promise<ReadonlySet<string>> {
  const reached = new Set([file]);
  for (const name of reached) {
    const text = await readFile(join(root, name), "utf8");
    for (const [, path = ""] of text.matchAll(/(?:from|import\()\s*"(\.{1,2}\/[^"]+\.ts)"/g))
      reached.add(relative(root, resolve(root, dirname(name), path)));
  }
  return reached;
}
