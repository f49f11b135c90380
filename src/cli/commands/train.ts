import { withLink } from "../../distribute/link.ts";
import { dilocoHere } from "../../distribute/training/diloco-here.ts";
import { trainByQueue } from "../../distribute/training/train-by-queue.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import { type TrainConfig, trainConfigFaults } from "../../train/config.ts";
import { runTraining } from "../../train/run.ts";
import type { TrainingLoop } from "../../train/training-loop.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { openModelFiles } from "../model.ts";
import { linkSettings, queueFaults } from "../queue-options.ts";
import { typedWords } from "../typed-command.ts";
import { askedRun } from "../train/asked.ts";
import { showTraining } from "../train/display.ts";
import { givenSettings, type TrainOptions, trainOptions } from "../train/options.ts";
import { summarise, tellSummary } from "../train/summary.ts";

export const train = defineCommand({
  name: "train",
  summary: "train an adapter on passages with questions",
  description:
    "Trains LoRA matrices and the scorer so that the frozen model answers from the kept rows as it would from all. Ctrl-C " +
    "finishes the step in progress and saves; a second one ends at once. --resume goes on bit for bit, also after a crash. " +
    "Settings come from flags, then from --config, then from the defaults (what the paper used stands in brackets); all of " +
    "them are written to config.json in the run's folder.",
  arguments: {},
  options: trainOptions,
  examples: [
    ["train --data train.jsonl.gz --out run", "an adapter by the recipe of the one that comes with the package"],
    ["train --resume --out run", "go on after Ctrl-C, a crash or a reboot"],
    [
      "train --data train.jsonl.gz --out run --steps 500 --sync diloco --parts 4 --queue redis://host:6379",
      "by the workers of a queue",
    ],
    ["train --config run/config.json --seed 1 --data train.jsonl.gz --out run2", "the same with another seed"],
  ],
  check: ({ options }) => {
    const { resume, init, data, config } = options;
    const faults = [
      ...queueFaults(options),
      ...(options.roundDeadline !== undefined && options.queue === undefined
        ? ["--round-deadline is for a --queue"]
        : []),
    ];
    if (faults.length > 0) return faults;
    if (resume) return init === undefined ? [] : ["--init: a run that is resumed goes on from its own values"];
    return [
      ...(data === undefined ? ["--data <files>: missing"] : []),
      // With settings from elsewhere, flags alone say nothing.
      ...(config === undefined && init === undefined ? trainConfigFaults(givenSettings(options)) : []),
    ];
  },
  run: async ({ options }, context) => {
    const { model, ...asked } = await askedRun(options);
    const files = await openModelFiles(model, context);
    const { steps } = asked.config;
    const display = showTraining(steps, context.log);
    const stopping = stopWhenAsked(options, context);
    try {
      const result = await withLoop(options, asked.config, files, context, (loop) =>
        runTraining({
          ...asked,
          ...loop,
          files,
          out: options.out,
          resume: options.resume,
          checkpointEvery: options.checkpointEvery,
          ...(options.threads === undefined ? {} : { threads: options.threads }),
          command: typedWords(),
          signal: stopping.signal,
          ...display.listeners,
          onStart: (start) => {
            display.listeners.onStart(start);
            stopping.startClock();
          },
        }),
      );
      display.stop();
      const summary = summarise(result, asked.config, options.out, display.totals());
      if (options.json) context.out.json(summary);
      else tellSummary(summary, context.out);
      if (result.finished) return;
      const goOn = `go on with: kv-distill train --resume --out ${shellWord(options.out)}`;
      const stopped = `stopped and saved after step ${result.step} of ${steps}`;
      if (context.signal.aborted) throw new KvDistillError("cancelled", stopped, { hint: goOn });
      context.log.info(`${stopped}; ${goOn}`);
    } finally {
      display.stop();
      stopping.release();
    }
  },
});

/** Who computes the steps: the workers of a queue, or this process. */
async function withLoop<T>(
  options: TrainOptions,
  config: TrainConfig,
  files: ModelFiles,
  { log }: CommandContext,
  work: (loop: { readonly loop?: TrainingLoop }) => Promise<T>,
): Promise<T> {
  const { out, threads, roundDeadline } = options;
  const settings = linkSettings(options);
  if (settings === undefined) {
    return work(config.sync === "diloco" ? { loop: dilocoHere(files, out, threads) } : {});
  }
  const machines = {
    ...(threads === undefined ? {} : { threads }),
    ...(roundDeadline === undefined ? {} : { deadline: roundDeadline }),
  };
  return withLink(settings, log, (link) =>
    work({ loop: trainByQueue({ link, files, out, title: `train ${files.name}`, ...machines }) }),
  );
}

/** A signal for the training that Ctrl-C or the end of the time gives. */
function stopWhenAsked(
  { minutes }: Pick<TrainOptions, "minutes">,
  { signal, log }: CommandContext,
): { readonly signal: AbortSignal; startClock(): void; release(): void } {
  const controller = new AbortController();
  const end = (): void => {
    controller.abort();
  };
  const onSignal = (): void => {
    log.info("finishing the step in progress, then saving; a second time ends at once, without saving");
    end();
  };
  if (signal.aborted) end();
  signal.addEventListener("abort", onSignal, { once: true });
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: controller.signal,
    startClock: () => {
      if (minutes !== undefined) timer = setTimeout(end, minutes * 60_000);
    },
    release: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onSignal);
    },
  };
}

function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
