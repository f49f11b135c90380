import { rm } from "node:fs/promises";
import { join } from "node:path";
import { findShippedAdapter } from "../../cache/shipped-adapter.ts";
import { FOLD_TOKENS } from "../../compress/fold.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { METHOD_NAMES } from "../../compress/methods/index.ts";
import { evalByQueue } from "../../distribute/eval-by-queue.ts";
import { withLink } from "../../distribute/link.ts";
import { fileMemory } from "../../distribute/run/memory.ts";
import { breakdownTable, differencesTable, intervalNote, resultsTable } from "../../evaluate/report/tables.ts";
import { evaluate, type EvaluateOptions, type EvaluationResult } from "../../evaluate/run/evaluate.ts";
import type { Task } from "../../evaluate/tasks/task.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { formatCount } from "../../util/format.ts";
import { LOG_LEVELS } from "../../util/log.ts";
import { printable } from "../../util/printable.ts";
import { type Progress, startProgress } from "../../util/progress.ts";
import { renderTable } from "../../util/table.ts";
import type { CommandContext } from "../context.ts";
import { openAdapter, useModel } from "../model.ts";
import { linkSettings } from "../queue-options.ts";
import { typedCommand } from "../typed-command.ts";
import { withRunProgress } from "../run-progress.ts";
import type { RunOptions } from "./run-options.ts";

const FAILURES_SHOWN = 10;

/** Runs an evaluation and prints its results. @throws KvDistillError as `evaluate` */
export async function runTask(task: Task, options: RunOptions, context: CommandContext): Promise<void> {
  const { log, out } = context;
  const fold = options.foldTokens ?? (options.fold ? FOLD_TOKENS : undefined);
  await useModel(options, context, async (model) => {
    const methods = options.methods ?? (await usableMethods(model, options.adapter));
    if (options.adapter !== undefined && !methods.includes("kv-distill")) {
      log.warn("--adapter is not used: kv-distill is not among the methods");
    }
    for (const name of ["full", "none"].filter((name) => !methods.includes(name))) {
      log.warn(`without the method ${name} the figures have no ${name === "full" ? "ceiling" : "floor"} beside them`);
    }
    const adapter = methods.includes("kv-distill") ? await openAdapter(model, options.adapter) : undefined;
    try {
      const result = await withMeasuring(task, options, adapter, context, (measuring) =>
        evaluate({
          model,
          task,
          config: {
            limit: options.limit ?? null,
            methods,
            keeps: options.keep,
            seed: options.seed,
            maxNewTokens: options.maxNewTokens ?? null,
            ...(fold === undefined ? {} : { fold }),
            ...(options.goldTokens === undefined ? {} : { goldTokens: options.goldTokens }),
          },
          ...(adapter === undefined ? {} : { adapter }),
          ...(options.out === undefined ? {} : { out: options.out }),
          resume: options.resume,
          ...(options.reuse === undefined ? {} : { reuse: options.reuse }),
          command: typedCommand(),
          signal: context.signal,
          ...measuring,
          onNote: (line) => {
            log.warn(line);
          },
        }),
      );
      tellFailures(result, context);
      if (options.out !== undefined) log.info(`rows and reports are in ${options.out}`);
      const report = reportText(result, context);
      if (options.json) {
        log.info(report);
        out.json({ results: result.results });
      } else {
        out.line(report);
      }
    } finally {
      adapter?.release();
    }
  });
}

/** Runs `work` with who measures, here or by the workers of a queue, and shows how far it is. */
function withMeasuring<T>(
  task: Task,
  options: RunOptions,
  adapter: LoadedAdapter | undefined,
  context: CommandContext,
  work: (measuring: Pick<EvaluateOptions, "measure" | "onProgress">) => Promise<T>,
): Promise<T> {
  const settings = linkSettings(options);
  if (settings === undefined) {
    return withAnswerProgress(context, options, (onProgress) => work({ onProgress }));
  }
  const { out, resume, shard } = options;
  return withLink(settings, context.log, (link) =>
    withRunProgress(context, "eval", async (follow) => {
      const path = out === undefined ? undefined : join(out, "queue.json");
      // Rows of an earlier run are not these: only --resume goes on with one.
      if (path !== undefined && !resume) await rm(path, { force: true });
      return work({
        measure: evalByQueue({
          link,
          ...(adapter === undefined ? {} : { adapter }),
          title: `eval ${task.name}`,
          shardSize: shard,
          ...(path === undefined ? {} : { memory: fileMemory(path) }),
          ...follow,
        }),
      });
    }),
  );
}

/** All methods; kv-distill only where there is an adapter for it. */
async function usableMethods(model: LanguageModel, adapter: string | undefined): Promise<readonly string[]> {
  const trained = adapter !== undefined || (await findShippedAdapter(model.files.hash)) !== undefined;
  return METHOD_NAMES.filter((name) => trained || name !== "kv-distill");
}

/** Runs `work` with a progress line that begins when it is known how much there is to do. */
async function withAnswerProgress<T>(
  { log }: CommandContext,
  { out, resume }: { readonly out: string | undefined; readonly resume: boolean },
  work: (onProgress: NonNullable<EvaluateOptions["onProgress"]>) => Promise<T>,
): Promise<T> {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info");
  let progress: Progress | undefined;
  let state = "";
  try {
    return await work((done, total, latest) => {
      state = `${done} of ${total} answers are there`;
      if (quiet) return;
      if (progress === undefined && resume) log.info(state);
      progress ??= startProgress({ label: "eval", unit: "answers", total, done });
      const last = latest.at(-1);
      progress.update(done, last === undefined ? {} : { on: last.method });
    });
  } catch (error) {
    if (!isKvDistillError(error) || error.code !== "cancelled") throw error;
    const hint = out === undefined ? "with --out an evaluation can be stopped and resumed" : "go on by --resume";
    throw new KvDistillError("cancelled", `the evaluation was stopped; ${state}`, { hint, cause: error });
  } finally {
    progress?.stop();
  }
}

function tellFailures({ failures, identity }: EvaluationResult, { log }: CommandContext): void {
  if (failures.length === 0) return;
  log.warn(`${failures.length} answers failed and count as wrong:`);
  for (const { id, method, failure } of failures.slice(0, FAILURES_SHOWN)) {
    log.warn(`  ${id}, ${method}: ${failure?.message ?? ""}`);
  }
  if (failures.length > FAILURES_SHOWN) log.warn(`  … and ${failures.length - FAILURES_SHOWN} more`);
  const foldable = failures.some(({ method, failure }) => method !== "full" && failure?.code === "context-too-long");
  if (foldable && identity.config.fold === undefined) log.warn("--fold compresses longer texts piece by piece");
}

function reportText(result: EvaluationResult, { out: { width, colours } }: CommandContext): string {
  const style = { ...(width === undefined ? {} : { width }), colours };
  const differences = differencesTable(result);
  const breakdown = breakdownTable(result);
  return [
    printable(`${result.model}, ${counted(result.questions, "question")} about ${counted(result.passages, "passage")}`),
    renderTable(resultsTable(result), style),
    ...(breakdown === undefined ? [] : [renderTable(breakdown, style)]),
    ...(differences.rows.length === 0 ? [] : [renderTable(differences, style)]),
    intervalNote(result),
  ].join("\n");
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
