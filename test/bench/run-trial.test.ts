import { expect, test } from "vitest";
import { NOT_ASKED, runTrial, type TrialResult } from "../../src/bench/run-trial.ts";
import { resultsTable } from "../../src/bench/report/table.ts";
import { summaryLine } from "../../src/bench/report/summary-line.ts";
import type { BenchRecord } from "../../src/bench/machine-load.ts";
import type { SideResult, WorkRequest } from "../../src/bench/sides/protocol.ts";
import type { Side } from "../../src/bench/sides/side.ts";
import type { Trial } from "../../src/bench/trial.ts";
import { expectRejection } from "./expect-error.ts";

const OPTIONS = { warmups: 1, repetitions: 3, settle: 0 };
const request = () => ({ work: "prefill", ids: [1, 2, 3, 4] }) as const;

const TRIAL: Trial = {
  name: "train 2 examples",
  what: "a test",
  measure: "tokens/s",
  entries: [
    { name: "ours", side: "ours", request },
    { name: "torch-fp32", side: "torch-fp32", request, goal: 1.5, sameResult: true },
    { name: "peft", side: "peft", request, goal: 3 },
  ],
};

/** A side whose answers are given, the warm-up's first. */
function side(answers: readonly Partial<SideResult>[]): Side {
  let id = 0;
  return {
    name: "fake",
    versions: { fake: "1" },
    ask: () => {
      const answer = answers[id];
      if (answer === undefined) return Promise.reject(new Error("no more answers"));
      return Promise.resolve({ id: id++, seconds: 1, tokens: 4, peakBytes: 100, check: { loss: 0.5 }, ...answer });
    },
    close: () => Promise.resolve(),
  };
}

const seconds = (...values: readonly number[]): Partial<SideResult>[] => values.map((value) => ({ seconds: value }));

function run(trial: Trial, sides: Readonly<Record<string, Side | string>>): Promise<TrialResult> {
  const find = ({ side: name }: Trial["entries"][number]) => {
    const found = sides[name] ?? NOT_ASKED;
    return Promise.resolve(typeof found === "string" ? { reason: found } : { side: found });
  };
  return runTrial(trial, find, OPTIONS);
}

test("ratios are those of medians, with the spread of the rounds' own; warm-ups do not count", async () => {
  const { entries } = await run(TRIAL, {
    ours: side(seconds(100, 1, 2, 4)),
    "torch-fp32": side(seconds(100, 2, 4, 4)),
    peft: "not installed",
  });
  const [ours, torch, peft] = entries;
  expect(ours).toMatchObject({ value: { median: 2, min: 1, max: 4 }, seconds: { median: 2 }, ratio: null, goal: null });
  expect(torch).toMatchObject({ value: { median: 1 }, ratio: 2, ratioSpread: { min: 1, max: 2 }, met: true });
  expect(torch?.agreement).toEqual({ text: "loss 0.5000 / 0.5000", same: true, expected: true });
  expect(peft).toMatchObject({ value: null, ratio: null, met: null, failure: "not installed", samples: [] });
});

test("memory is better when it is less", async () => {
  const peaks = (bytes: number) => side([1, 2, 3, 4].map(() => ({ peakBytes: bytes })));
  const trial: Trial = { ...TRIAL, measure: "peak bytes" };
  const { entries } = await run(trial, { ours: peaks(100), "torch-fp32": peaks(50), peft: peaks(25) });
  expect(entries.map(({ ratio, met }) => [ratio, met])).toEqual([
    [null, null],
    [2, false],
    [4, false],
  ]);
});

test("a side that does other work has no figures", async () => {
  const ok = seconds(1, 1, 1, 1);
  const { entries } = await run(TRIAL, {
    ours: side(ok),
    "torch-fp32": side(ok.map((one) => ({ ...one, tokens: 5 }))),
  });
  expect(entries[1]).toMatchObject({ failure: "it did other work: 5 tokens, not 4", ratio: null });
});

test("long work is done once, after something shorter", async () => {
  const asked: WorkRequest[] = [];
  const fake = side(seconds(9, 3));
  const told: Side = {
    ...fake,
    ask: (given) => {
      asked.push(given);
      return fake.ask(given);
    },
  };
  const [ours] = TRIAL.entries;
  const short: WorkRequest = { work: "prefill", ids: [1] };
  const { entries } = await run({ ...TRIAL, atMost: 1, entries: [{ ...ours, warmUp: () => short }] }, { ours: told });
  expect(entries[0]?.samples.map((sample) => sample.seconds)).toEqual([3]);
  expect(asked).toEqual([short, request()]);
});

test("without our own side there is nothing to measure", async () => {
  await expectRejection(run(TRIAL, { ours: "it crashed" }), "peer", /ours: it crashed/);
});

const RECORD = { model: { name: "m", hash: "h" } } as unknown as BenchRecord;

test("table and last line", async () => {
  const results = [
    await run(TRIAL, {
      ours: side(seconds(9, 1, 1, 1)),
      "torch-fp32": side([{}, { seconds: 2, check: { loss: 0.6 } }, { seconds: 2 }, { seconds: 2 }]),
    }),
    { ...(await run({ ...TRIAL, name: "other" }, { ours: side(seconds(1, 1, 1, 1)), peft: "not here" })) },
  ];
  expect(resultsTable(results).rows).toEqual([
    ["train 2 examples", "ours", "4.00 tokens/s", "4.00 – 4.00", "1.0 s", "100 B", "", "", ""],
    [
      "",
      "torch-fp32",
      "2.00 tokens/s",
      "2.00 – 2.00",
      "2.0 s",
      "100 B",
      "2.00 (2.00 – 2.00)",
      "≥ 1.5 met",
      "loss 0.5000 / 0.6000 (differs!)",
    ],
    ["other", "ours", "4.00 tokens/s", "4.00 – 4.00", "1.0 s", "100 B", "", "", ""],
    ["", "peft", "–", "", "", "", "–", "≥ 3", "not here"],
  ]);
  expect(summaryLine(results, RECORD)).toEqual({
    ratios: {
      "train 2 examples / torch-fp32": 2,
      "train 2 examples / peft": null,
      "other / torch-fp32": null,
      "other / peft": null,
    },
    medians: {
      "train 2 examples / ours": 4,
      "train 2 examples / torch-fp32": 2,
      "train 2 examples / peft": null,
      "other / ours": 4,
      "other / torch-fp32": null,
      "other / peft": null,
    },
    reasons: { "train 2 examples / peft": NOT_ASKED, "other / torch-fp32": NOT_ASKED, "other / peft": "not here" },
    record: RECORD,
    ratioToTorchFp32: 2,
    oursTokensPerSecond: 4,
    torchFp32TokensPerSecond: 2,
    reason: null,
  });
});

test("the last line says why there is no ratio to PyTorch", async () => {
  const results = [await run(TRIAL, { ours: side(seconds(9, 1, 1, 1)), "torch-fp32": "not installed: …" })];
  expect(summaryLine(results, RECORD)).toMatchObject({
    ratioToTorchFp32: null,
    oursTokensPerSecond: 4,
    torchFp32TokensPerSecond: null,
    reason: "not installed: …",
  });
});
