import type { BenchRecord } from "../machine-load.ts";
import type { EntryResult, TrialResult } from "../run-trial.ts";

/** The last line of `bench --json`. */
export interface SummaryLine {
  readonly ratios: Readonly<Record<string, number | null>>;
  /** Of every side, in the trial's measure. */
  readonly medians: Readonly<Record<string, number | null>>;
  /** Why a ratio is null. */
  readonly reasons: Readonly<Record<string, string>>;
  readonly record: BenchRecord;
  /** Of the training step; left out when it was not measured. */
  readonly ratioToTorchFp32?: number | null;
  readonly oursTokensPerSecond?: number | null;
  readonly torchFp32TokensPerSecond?: number | null;
  readonly reason?: string | null;
}

/** `train 16 examples / torch-fp32`: the names that a baseline knows ratios by. */
export const ratioName = (trial: TrialResult, entry: Pick<EntryResult, "name">): string =>
  `${trial.name} / ${entry.name}`;

export function summaryLine(results: readonly TrialResult[], record: BenchRecord): SummaryLine {
  const all = results.flatMap((trial) => trial.entries.map((entry, i) => ({ trial, entry, first: i === 0 })));
  const judged = all.filter(({ first }) => !first);
  const train = results.find(({ name, measure }) => name.startsWith("train ") && measure === "tokens/s");
  const torch = train?.entries.find(({ name }) => name === "torch-fp32");
  return {
    ratios: Object.fromEntries(judged.map(({ trial, entry }) => [ratioName(trial, entry), entry.ratio])),
    medians: Object.fromEntries(all.map(({ trial, entry }) => [ratioName(trial, entry), entry.value?.median ?? null])),
    reasons: Object.fromEntries(
      judged.flatMap(({ trial, entry }) => (entry.failure === null ? [] : [[ratioName(trial, entry), entry.failure]])),
    ),
    record,
    ...(train === undefined || torch === undefined
      ? {}
      : {
          ratioToTorchFp32: torch.ratio,
          oursTokensPerSecond: train.entries[0]?.value?.median ?? null,
          torchFp32TokensPerSecond: torch.value?.median ?? null,
          reason: torch.failure,
        }),
  };
}
