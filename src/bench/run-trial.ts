import { type Agreement, agreementOf } from "./agreement.ts";
import { KvDistillError } from "../util/errors.ts";
import { type Contestant, interleave, type InterleaveOptions } from "./interleave.ts";
import type { SideResult } from "./sides/protocol.ts";
import type { Side } from "./sides/side.ts";
import { type Spread, spreadOf } from "./spread.ts";
import type { Measure, Trial, TrialEntry } from "./trial.ts";

/** What an entry measured. */
export interface EntryResult {
  readonly name: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Rounds that count, in order. */
  readonly samples: readonly Omit<SideResult, "id">[];
  /** Of the trial's measure; null when it failed. */
  readonly value: Spread | null;
  readonly seconds: Spread | null;
  readonly peakBytes: Spread | null;
  /** The first entry's median by this one's; null for the first entry and where there is none. */
  readonly ratio: number | null;
  /** Of the ratios round by round. */
  readonly ratioSpread: Spread | null;
  readonly goal: number | null;
  readonly met: boolean | null;
  readonly agreement: (Agreement & { readonly expected: boolean }) | null;
  /** Why there are no figures. */
  readonly failure: string | null;
}

export interface TrialResult {
  readonly name: string;
  readonly what: string;
  readonly measure: Measure;
  readonly entries: readonly EntryResult[];
}

/** Why a peer that could be named was not. */
export const NOT_ASKED = "not asked for";

/** A process to ask, or why there is none. */
export type FoundSide = { readonly side: Side } | { readonly reason: string };

/**
 * Measures a trial on processes that are ready.
 * @throws KvDistillError what the first entry's side throws; the signal's reason
 */
export async function runTrial(
  trial: Trial,
  sideOf: (entry: TrialEntry) => Promise<FoundSide>,
  options: InterleaveOptions,
): Promise<TrialResult> {
  const reasons = new Map<string, string>();
  const versions = new Map<string, Side["versions"]>();
  const contestants: Contestant<SideResult>[] = [];
  for (const [i, entry] of trial.entries.entries()) {
    const found = await sideOf(entry);
    if ("reason" in found) {
      if (i === 0) throw new KvDistillError("peer", found.reason, { where: entry.name });
      reasons.set(entry.name, found.reason);
      continue;
    }
    versions.set(entry.name, found.side.versions);
    if (entry.warmUp !== undefined) await found.side.ask(entry.warmUp());
    contestants.push({ name: entry.name, turn: (round) => found.side.ask(entry.request(round)) });
  }
  const { atMost } = trial;
  const own =
    atMost === undefined ? options : { ...options, warmups: 0, repetitions: Math.min(atMost, options.repetitions) };
  const turns = new Map((await interleave(contestants, own)).map((turn) => [turn.name, turn]));
  const samplesOf = ({ name }: TrialEntry): readonly SideResult[] => turns.get(name)?.samples ?? [];
  const [first] = trial.entries;
  const ours = samplesOf(first);
  const entries = trial.entries.map((entry, i): EntryResult => {
    const samples = samplesOf(entry);
    const failure = reasons.get(entry.name) ?? turns.get(entry.name)?.failure ?? otherWork(ours, samples);
    const named = { name: entry.name, versions: versions.get(entry.name) ?? {}, goal: entry.goal ?? null };
    if (failure !== undefined) return { ...named, ...NOTHING, failure };
    const values = samples.map((sample) => valueOf(trial.measure, sample));
    const figures = {
      ...named,
      samples: samples.map(({ id: _, ...sample }) => sample),
      value: spreadOf(values),
      seconds: spreadOf(samples.map(({ seconds }) => seconds)),
      peakBytes: peaksOf(samples),
      failure: null,
    };
    if (i === 0) return { ...figures, ratio: null, ratioSpread: null, met: null, agreement: null };
    const oursBy = ours.map((sample, round) => valueOf(trial.measure, sample) / (values[round] ?? NaN));
    const ratio = spreadOf(ours.map((sample) => valueOf(trial.measure, sample))).median / figures.value.median;
    const agreement = agreementOf(ours[0]?.check ?? {}, samples[0]?.check ?? {});
    return {
      ...figures,
      ratio,
      ratioSpread: spreadOf(oursBy),
      met: entry.goal === undefined ? null : trial.measure === "peak bytes" ? ratio <= entry.goal : ratio >= entry.goal,
      agreement: agreement === undefined ? null : { ...agreement, expected: entry.sameResult ?? false },
    };
  });
  return { name: trial.name, what: trial.what, measure: trial.measure, entries };
}

/** A trial whose first side, our own, failed: nobody has figures. */
export function failedTrial({ name, what, measure, entries }: Trial, reason: string): TrialResult {
  const failed = entries.map((entry, i): EntryResult => {
    const failure = i === 0 ? reason : "our own side failed";
    return { name: entry.name, versions: {}, goal: entry.goal ?? null, ...NOTHING, failure };
  });
  return { name, what, measure, entries: failed };
}

/** Why our own side has no figures, by trial. */
export function ownFailures(results: readonly TrialResult[]): string[] {
  return results.flatMap(({ name, entries: [ours] }) => (ours?.failure == null ? [] : [`${name}: ${ours.failure}`]));
}

const NOTHING = {
  samples: [],
  value: null,
  seconds: null,
  peakBytes: null,
  ratio: null,
  ratioSpread: null,
  met: null,
  agreement: null,
} as const;

/** Sides that count other tokens do not do the same work. */
function otherWork(ours: readonly SideResult[], theirs: readonly SideResult[]): string | undefined {
  const round = theirs.findIndex(({ tokens }, i) => tokens !== ours[i]?.tokens);
  if (round < 0) return undefined;
  return `it did other work: ${theirs[round]?.tokens ?? 0} tokens, not ${ours[round]?.tokens ?? 0}`;
}

function valueOf(measure: Measure, { seconds, tokens, peakBytes }: SideResult): number {
  switch (measure) {
    case "tokens/s":
    case "answers/s":
      return tokens / seconds;
    case "peak bytes":
      return peakBytes ?? NaN;
  }
}

function peaksOf(samples: readonly SideResult[]): Spread | null {
  const peaks = samples.flatMap(({ peakBytes }) => peakBytes ?? []);
  return peaks.length < samples.length ? null : spreadOf(peaks);
}
