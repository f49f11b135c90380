import { fileURLToPath } from "node:url";
import {
  type Baseline,
  type BaselineRow,
  compareWithBaseline,
  readBaseline,
  refuseWorse,
} from "../../bench/baseline.ts";
import type { TrialResult } from "../../bench/run-trial.ts";
import { KvDistillError } from "../../util/errors.ts";
import { formatNumber } from "../../util/format.ts";
import type { CommandContext } from "../context.ts";
import { printTable } from "../print-table.ts";

const BASELINE = fileURLToPath(new URL("../../../bench/baseline.json", import.meta.url));

/** @throws KvDistillError as `readBaseline`; `bad-argument` for one without ratios, before anything is measured */
export async function openBaseline(path: string | undefined): Promise<Baseline> {
  const file = path ?? BASELINE;
  const baseline = await readBaseline(file);
  if (Object.keys(baseline.ratios).length > 0) return baseline;
  throw new KvDistillError("bad-argument", "the baseline holds no ratios", {
    where: file,
    hint: "docs/benchmarks.md says how to make one",
  });
}

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
