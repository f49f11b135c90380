import { fileURLToPath } from "node:url";
import {
  type Baseline,
  type BaselineRow,
  compareWithBaseline,
  readBaseline,
  refuseWorse,
} from "../../bench/baseline.ts";
import type { TrialResult } from "../../bench/run-trial.ts";
import { formatNumber } from "../../util/format.ts";
import type { CommandContext } from "../context.ts";
import { printTable } from "../print-table.ts";

const BASELINE = fileURLToPath(new URL("../../../bench/baseline.json", import.meta.url));

/** @throws KvDistillError as `readBaseline` */
export const openBaseline = (path: string | undefined): Promise<Baseline> => readBaseline(path ?? BASELINE);

/** @throws KvDistillError `bad-argument` when a ratio got worse, or the baseline knows none of them */
export function checkBaseline(
  results: readonly TrialResult[],
  baseline: Baseline,
  json: boolean,
  { out }: CommandContext,
): void {
  const rows = compareWithBaseline(results, baseline);
  const print = ({ name, before, now, worse }: BaselineRow): string[] => [
    name,
    formatNumber(before),
    formatNumber(now),
    worse ? "worse" : "as before, or better",
  ];
  if (json) out.json({ baseline: rows, tolerance: baseline.tolerance });
  else printTable(out, ["ratio", "baseline", "now", ""], rows.map(print));
  refuseWorse(rows, baseline);
}
