import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BenchRecord } from "../../src/bench/machine-load.ts";
import { writeBenchFiles } from "../../src/bench/report/files.ts";
import { foldPlots } from "../../src/bench/report/fold-plots.ts";
import { runTrial, type TrialResult } from "../../src/bench/run-trial.ts";

/** A trial of one entry, measured three times. */
function measured(name: string, seconds: number, peakBytes: number): Promise<TrialResult> {
  const request = () => ({ work: "prefill", ids: [1] }) as const;
  const side = {
    name: "fake",
    versions: {},
    ask: () => Promise.resolve({ id: 0, seconds, tokens: 4, peakBytes, check: {} }),
    close: () => Promise.resolve(),
  };
  const trial = {
    name,
    what: "a test",
    measure: "tokens/s",
    entries: [{ name: "ours", side: "ours", request }],
  } as const;
  return runTrial(trial, () => Promise.resolve({ side }), { warmups: 0, repetitions: 3, settle: 0 });
}

const marks = (svg = ""): string[] =>
  [...svg.matchAll(/<title>kv-distill: ([^<]*)<\/title>/g)].map(([, said]) => said ?? "");

test("time and memory lie over the length of the text, other trials beside them", async () => {
  const results = [
    await measured("fold 2048", 1.5, 8e8),
    await measured("compress 512", 9, 9e9),
    await measured("fold 8192", 6, 8.2e8),
  ];
  const plots = foldPlots(results, "a model <b>");
  expect(plots.map(({ file }) => file)).toEqual(["fold-time.svg", "fold-memory.svg"]);
  expect(marks(plots[0]?.svg)).toEqual(["2,048, 1.5", "8,192, 6"]);
  expect(marks(plots[1]?.svg)).toEqual(["2,048, 0.8", "8,192, 0.82"]);
  expect(plots[0]?.svg).toContain(">time (s)</text>");
  expect(plots[1]?.svg).toContain(">peak resident memory (GB)</text>");
  for (const { svg } of plots) {
    expect(svg).toContain(">length of the text (tokens)</text>");
    expect(svg).toContain("a model &lt;b&gt;");
    expect(svg).not.toMatch(/NaN|undefined/);
  }
});

test("one length makes no plot, nor does one that failed; the bench's folder holds those that there are", async () => {
  const one = await measured("fold 2048", 1.5, 8e8);
  const failed: TrialResult = {
    ...one,
    name: "fold 8192",
    entries: one.entries.map((entry) => ({ ...entry, seconds: null, peakBytes: null, failure: "no room" })),
  };
  expect(foldPlots([one], "")).toEqual([]);
  expect(foldPlots([one, failed], "")).toEqual([]);

  const record = { machine: { cores: 2, cpu: "a cpu" }, model: { name: "tiny" } } as BenchRecord;
  const folder = await mkdtemp(join(tmpdir(), "kv-distill-bench-"));
  try {
    const more = await measured("fold 4096", 3, 9e8);
    await writeBenchFiles(folder, [one, more], record);
    expect((await readdir(folder)).sort()).toEqual(["fold-memory.svg", "fold-time.svg", "result.json", "table.txt"]);
    expect(await readFile(join(folder, "fold-time.svg"), "utf8")).toContain(">tiny, 2 cores, a cpu</text>");
  } finally {
    await rm(folder, { recursive: true });
  }
});
