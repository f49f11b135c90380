import { z } from "zod";
import { KvDistillError } from "../util/errors.ts";
import { formatNumber } from "../util/format.ts";
import { readTextFile } from "../util/read-text.ts";
import { parseStrictJson } from "../util/strict-json.ts";
import { ratioName } from "./report/summary-line.ts";
import type { TrialResult } from "./run-trial.ts";

/**
 * Ratios that were measured before, by name (docs/benchmarks.md). Ratios and not speeds: another machine has other speeds, while both sides
 * of a ratio ran on the same one.
 */
const baselineSchema = z.strictObject({
  /** How it was made. */
  note: z.string(),
  /** A ratio may be worse by this part. */
  tolerance: z.number().gt(0).lt(1),
  ratios: z.record(z.string(), z.number().positive()),
});
export type Baseline = z.infer<typeof baselineSchema>;

const MAX_BYTES = 1 << 20;

/** @throws KvDistillError `not-found`, `disk`, `bad-file` */
export async function readBaseline(path: string): Promise<Baseline> {
  const json = parseStrictJson(await readTextFile(path, MAX_BYTES), path, { maxDepth: 4, maxKeys: 1000 });
  const parsed = baselineSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path: at, message }) => [...at, message].join(": "));
  throw new KvDistillError("bad-file", "not a baseline", { where: path, faults });
}

/** One ratio beside its baseline. */
export interface BaselineRow {
  readonly name: string;
  readonly before: number;
  readonly now: number;
  readonly worse: boolean;
}

/**
 * Every ratio that was measured and that the baseline knows.
 * @throws KvDistillError `bad-argument` when there is none
 */
export function compareWithBaseline(results: readonly TrialResult[], { ratios, tolerance }: Baseline): BaselineRow[] {
  const rows = results.flatMap((trial) =>
    trial.entries.flatMap((entry): BaselineRow[] => {
      const name = ratioName(trial, entry);
      const before = ratios[name];
      if (before === undefined || entry.ratio === null) return [];
      const now = entry.ratio;
      const worse = trial.measure === "peak bytes" ? now > before * (1 + tolerance) : now < before * (1 - tolerance);
      return [{ name, before, now, worse }];
    }),
  );
  if (rows.length > 0) return rows;
  throw new KvDistillError("bad-argument", "the baseline knows none of the ratios that were measured", {
    expected: Object.keys(ratios).join(", ") || "at least one ratio in the baseline",
    got:
      results.flatMap((trial) => trial.entries.slice(1).map((entry) => ratioName(trial, entry))).join(", ") || "none",
  });
}

/** @throws KvDistillError `bad-argument` naming what got worse */
export function refuseWorse(rows: readonly BaselineRow[], { tolerance }: Baseline): void {
  const worse = rows.filter((row) => row.worse);
  if (worse.length === 0) return;
  throw new KvDistillError("bad-argument", "slower, or larger, than the baseline", {
    expected: `every ratio within ${tolerance * 100}% of the baseline`,
    faults: worse.map(({ name, before, now }) => `${name}: ${formatNumber(now)}, was ${formatNumber(before)}`),
    hint: "measure again on a quiet machine; see where the time goes with --profile",
  });
}
