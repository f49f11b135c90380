import { runProfile, type TrialProfile } from "../../bench/profile/run-profile.ts";
import { timesTable } from "../../bench/report/table.ts";
import type { BenchOptions } from "../../bench/run-bench.ts";
import { formatDuration, formatNumber } from "../../util/format.ts";
import { renderTable } from "../../util/table.ts";
import type { CommandContext } from "../context.ts";
import { withTurns } from "./run.ts";

const OPERATORS_SHOWN = 12;

/** Profiles and prints; one line a trial for machines. */
export async function profileBench(options: BenchOptions, json: boolean, context: CommandContext): Promise<void> {
  const profiles = await withTurns(context, (onTurn) => runProfile({ ...options, onTurn }));
  for (const profile of profiles) {
    if (json) context.out.json(profile);
    else printProfile(profile, context);
  }
}

function printProfile(profile: TrialProfile, { out: { width, colours, ...out } }: CommandContext): void {
  const style = { ...(width === undefined ? {} : { width }), colours };
  const { what, seconds, operatorSeconds, peak, shareOfPeak } = profile;
  out.line(colours.bold(what));
  out.line(
    `${formatDuration(seconds)} of work, ${formatDuration(operatorSeconds)} in operators (what was prepared for it included); ` +
      `matrix products: ${(shareOfPeak * 100).toFixed(0)}% of the machine's ${formatNumber(peak / 1e9)} GFLOP/s over all operators`,
  );
  out.line(renderTable(timesTable("stage", profile.stages, profile), style));
  out.line(renderTable(timesTable("class of operators", profile.classes, profile), style));
  out.line(renderTable(timesTable("operator", profile.operators.slice(0, OPERATORS_SHOWN), profile), style));
}
