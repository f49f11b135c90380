import { benchRecord, busyWarning } from "../../bench/machine-load.ts";
import { writeBenchFiles } from "../../bench/report/files.ts";
import { summaryLine } from "../../bench/report/summary-line.ts";
import { resultsTable } from "../../bench/report/table.ts";
import { runBench } from "../../bench/run-bench.ts";
import { NOT_ASKED, ownFailures } from "../../bench/run-trial.ts";
import { TARGET_NAMES } from "../../bench/targets/index.ts";
import { KvDistillError } from "../../util/errors.ts";
import { printable } from "../../util/printable.ts";
import { quote } from "../../util/quote.ts";
import { renderTable } from "../../util/table.ts";
import { checkBaseline, openBaseline } from "../bench/check.ts";
import { benchOptions } from "../bench/options.ts";
import { profileBench } from "../bench/profile.ts";
import { askedBench, PROCESSOR_ALONE, withTurns } from "../bench/run.ts";
import { defineCommand } from "../define-command.ts";
import { openModelFiles } from "../model.ts";
import { optionalArgument } from "../spec.ts";

const CHOICES = [...TARGET_NAMES, "all"];

export const bench = defineCommand({
  name: "bench",
  summary: "measure this machine, and other programs beside it",
  description:
    "Measures the same work on this package and on the peers that are installed (tools/peers/setup.mjs in a source checkout), in turns, in " +
    "processes of their own, with the same number of threads. ours / it is the ratio of the medians. docs/benchmarks.md says what is measured how. " +
    "With --json one line a trial, and last a line with all ratios.",
  arguments: { target: optionalArgument("target", `what to measure: ${CHOICES.join(", ")} (default: all)`) },
  options: benchOptions,
  examples: [
    ["bench train --reference DIR", "the training step beside PyTorch"],
    ["bench decode --context 512 --peers none", "our own speed alone"],
    ["bench all --quick", "whether everything runs"],
    ["bench prefill --lengths 2048 --profile", "where the time goes"],
    ["bench all --check", "whether something got worse"],
  ],
  check: ({ options: { profile, check, out, device }, arguments: { target } }) => [
    ...(target === undefined || CHOICES.includes(target)
      ? []
      : [`there is nothing to measure called ${quote(target)}; there are ${CHOICES.join(", ")}`]),
    ...(profile && (check || out !== undefined)
      ? ["--profile goes without --check and --out: a traced run is slower"]
      : []),
    ...(device !== "cpu" && PROCESSOR_ALONE.some((name) => name === target)
      ? [`${quote(target ?? "")} is measured on the processor alone, not on ${device}`]
      : []),
  ],
  run: async ({ options: given, arguments: { target = "all" } }, context) => {
    const { log, out } = context;
    const baseline = given.check ? await openBaseline(given.baseline) : undefined;
    const files = await openModelFiles(given.model, context);
    const options = await askedBench(target, given, files, context);
    const { device, threads, precision } = options;
    const model = { name: files.name, hash: files.hash };
    const command = ["kv-distill", ...process.argv.slice(2)];
    const record = await benchRecord({ command, threads, device, precision, model });
    const busy = busyWarning(record);
    if (busy !== undefined) log.warn(busy);
    if (given.profile) {
      await profileBench(options, given.json, context);
      return;
    }
    const results = await withTurns(context, (onTurn) =>
      runBench({
        ...options,
        onTurn,
        onTrial: (trial) => {
          if (given.json) out.json(trial);
          for (const { name, failure } of trial.entries) {
            if (failure !== null && failure !== NOT_ASKED)
              log.info(`${trial.name}: without ${name}: ${printable(failure)}`);
          }
        },
      }),
    );
    if (!given.json) {
      const { width, colours } = out;
      const { machine } = record;
      out.line(
        printable(
          `${model.name} on ${machine.cores} cores of ${machine.cpu}, ${threads} threads, ${device}, ${precision}`,
        ),
      );
      out.line(renderTable(resultsTable(results), { ...(width === undefined ? {} : { width }), colours }));
    }
    if (given.out !== undefined) {
      await writeBenchFiles(given.out, results, record);
      log.info(`results are in ${given.out}`);
    }
    if (baseline !== undefined) checkBaseline(results, baseline, given.json, context);
    if (given.json) out.json(summaryLine(results, record));
    const faults = ownFailures(results);
    if (faults.length > 0) throw new KvDistillError("peer", "our own side could not do everything", { faults });
  },
});
