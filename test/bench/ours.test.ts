import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type BenchOptions, runBench, withInputs } from "../../src/bench/run-bench.ts";
import { ownFailures } from "../../src/bench/run-trial.ts";
import { ourSide } from "../../src/bench/sides/ours.ts";
import type { SideResult } from "../../src/bench/sides/protocol.ts";
import { startSide } from "../../src/bench/sides/side.ts";
import { QUICK_SIZES } from "../../src/bench/sizes.ts";
import { TARGET_NAMES, trialsOf } from "../../src/bench/targets/index.ts";
import { loadAdapter } from "../../src/cache/load-adapter.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";
import { loadModel } from "../../src/models/load-model.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { randomAdapter } from "../models/random-adapter.ts";
import { writeTinyLlama } from "../train/tiny-run.ts";
import { expectRejection } from "./expect-error.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-bench-test-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const SIZES = {
  ...QUICK_SIZES,
  prefill: [16],
  compress: 60,
  answers: [60],
  context: 30,
  steps: 5,
  long: 120,
  fold: [200],
  foldTokens: 50,
};

const optionsFor = (files: ModelFiles, adapter: string | null): BenchOptions => ({
  files,
  gguf: null,
  targets: TARGET_NAMES,
  sizes: SIZES,
  peers: [],
  warmups: 0,
  repetitions: 2,
  device: "cpu",
  threads: 1,
  precision: "fp32",
  reference: null,
  adapter,
  data: null,
  timeout: 120,
});

async function tinyFiles(): Promise<ModelFiles> {
  const model = await loadModel(await writeTinyLlama(folder), { threads: 1 });
  await model.close();
  return model.files;
}

test("a model without an adapter of its own is compressed by an untrained one, which is told where something compresses", async () => {
  const files = await tinyFiles();
  const notes: string[] = [];
  const options = { ...optionsFor(files, null), onNote: (line: string) => notes.push(line) };
  await withInputs(options, async (_, { adapter }) => {
    expect((await loadAdapter(adapter, { expectModel: files })).config.rank).toBe(SIZES.rank);
  });
  await withInputs({ ...options, targets: ["train", "prefill"] }, () => Promise.resolve());
  expect(notes).toEqual(["no adapter comes with the package for this model: an untrained one compresses"]);
});

test("an adapter that is named and is not there is told before anything is measured", async () => {
  const options = optionsFor(await tinyFiles(), join(folder, "nowhere"));
  await expectRejection(
    withInputs(options, () => Promise.reject(new Error("measured"))),
    "not-found",
    /nowhere/,
  );
});

test("a trial in which our own side fails says why, and the others have figures", async () => {
  const sizes = { ...SIZES, prefill: [16, 100_000, 24] };
  const results = await runBench({ ...optionsFor(await tinyFiles(), null), targets: ["prefill"], sizes });
  expect(results.map(({ entries: [ours] }) => ours?.value !== null)).toEqual([true, false, true]);
  expect(ownFailures(results)).toEqual([expect.stringMatching(/^prefill 100000: .*more tokens than the model reads/s)]);
}, 60_000);

test("our own side does all the work of every target and counts its tokens", async () => {
  const files = await tinyFiles();
  const adapter = join(folder, "adapter");
  await saveAdapter(adapter, randomAdapter({ files, config: files.config }));
  const options = optionsFor(files, adapter);
  await withInputs(options, async (inputs, base) => {
    const open = { ...base, variant: "", precision: "fp32" };
    const side = await startSide(ourSide("ours"), open, { timeout: 120 });
    try {
      const seen: [string, number, SideResult["check"]][] = [];
      for (const target of TARGET_NAMES) {
        for (const { entries } of trialsOf(target, inputs)) {
          for (const { name, request } of entries.filter((entry) => entry.side.startsWith("ours"))) {
            const { tokens, check, peakBytes } = await side.ask(request(0));
            expect(peakBytes).toBeGreaterThan(1e6);
            expect(Object.values(check).flat().every(Number.isFinite)).toBe(true);
            seen.push([`${target}: ${name}`, tokens, check]);
          }
        }
      }
      const step = inputs
        .triples(0)
        .flatMap(({ context_ids, question_ids, answer_ids }) => [
          ...context_ids,
          ...question_ids,
          ...answer_ids,
        ]).length;
      expect(seen.map(([name, tokens]) => [name, tokens])).toEqual([
        ["train: ours", step],
        ["prefill: ours", 16],
        ["compress: ours", 60],
        ["compress: our prefill", 60],
        ["answers: ours", 15],
        ["decode: ours", 5],
        ["precision: int8", 5],
        ["precision: fp32", 5],
        ["precision: int4", 5],
        ["precision: fp32", 5],
        ["decode-compressed: ours", 5],
        ["decode-compressed: our full cache", 5],
        ["first-token: ours", 1],
        ["first-token: our prefill", 1],
        ["fold: ours", 200],
        ["memory: ours", step],
      ]);
      const checkOf = (of: string) => seen.find(([name]) => name === of)?.[2];
      expect(checkOf("compress: ours")).toEqual({ rows: 15 });
      expect(checkOf("decode: ours")?.ids).toHaveLength(5);
      // This side computes in float32, whatever the entry is called: it does not differ from itself.
      expect(checkOf("precision: int8")?.KL).toBeCloseTo(0, 9);
      // The same examples again, one step later: the step has learned from them.
      expect(Number(checkOf("memory: ours")?.loss)).toBeLessThan(Number(checkOf("train: ours")?.loss));
      // Again float32 beside itself.
      const read = await side.ask({ work: "prefill", ids: [1, 2, 3, 4], fidelity: true });
      expect(read.check.KL).toBeCloseTo(0, 9);
      const [plain] = trialsOf("prefill", inputs);
      expect(plain?.entries.map(({ name }) => name)).not.toContain("fp32");
      const [rounded] = trialsOf("prefill", { ...inputs, precision: "int8" });
      // A baseline of one is none of the other.
      expect(rounded?.name).toBe(`${plain?.name ?? ""}, int8`);
      expect(rounded?.entries.find(({ name }) => name === "fp32")?.precision).toBe("fp32");
      const { check } = await side.ask({ work: "gemm", size: 32, times: 2 });
      expect(check.flops).toBeGreaterThan(0);
    } finally {
      await side.close();
    }
  });
}, 120_000);
