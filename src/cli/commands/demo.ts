import { readFile } from "node:fs/promises";
import { pull } from "../../models/pull/pull.ts";
import { formatCount } from "../../util/format.ts";
import { withProgress } from "../../util/progress.ts";
import { compressAndAsk } from "../demo/asking.ts";
import { exampleFile, QUESTIONS, TEXT_TITLE } from "../demo/files.ts";
import { trainForAMoment } from "../demo/training.ts";
import { defineCommand } from "../define-command.ts";
import { withModelProgress } from "../model-progress.ts";
import { useModel } from "../model.ts";
import { DEFAULT_MODEL } from "../shared-options.ts";
import { flag } from "../spec.ts";

const KEEPS = [0.5, 0.25, 0.1];

export const demo = defineCommand({
  name: "demo",
  summary: "the whole path on the default model: pull, compress, ask, train for a minute",
  arguments: {},
  options: { short: flag("--short", "one ratio, one question, a quarter of a minute of training") },
  examples: [["demo", "a few minutes on two cores"]],
  run: async ({ options: { short } }, context) => {
    const { out, log, signal } = context;
    const heading = (text: string): void => {
      out.line(`\n${out.colours.bold(text)}`);
    };
    heading(`1. The model: ${DEFAULT_MODEL}`);
    const pulled = await withModelProgress(log, (reporter) => pull(DEFAULT_MODEL, { ...reporter, signal }));
    out.line(`${pulled.alreadyThere ? "pulled before" : "pulled"}: ${pulled.folder}`);

    const text = await readFile(exampleFile("galapagos.txt"), "utf8");
    const keeps = short ? KEEPS.slice(1, 2) : KEEPS;
    const questions = short ? QUESTIONS.slice(0, 1) : QUESTIONS;
    heading(`2. A text, read once and distilled: ${TEXT_TITLE}, ${formatCount(text.split(/\s+/).length)} words`);
    const options = { model: DEFAULT_MODEL, device: "cpu", threads: undefined } as const;
    const files = await useModel(options, context, async (model) => {
      const total = (1 + keeps.length) * (1 + questions.length);
      await withProgress({ label: "demo", unit: "steps", total }, (steps) =>
        compressAndAsk(model, text, questions, keeps, context, steps),
      );
      return model.files;
    });
    heading("3. Training: a new adapter on eight short passages");
    await trainForAMoment(files, short ? 15 : 60, context);
    heading("4. What next");
    out.line("kv-distill compress your.txt --keep 25%       your own text; writes your.kvd");
    out.line('kv-distill ask your.kvd "…" --compare full    both answers, memory and time');
    out.line("kv-distill inspect your.kvd --html your.html  which tokens were kept");
    out.line("kv-distill train --help                       an adapter of your own");
  },
});
