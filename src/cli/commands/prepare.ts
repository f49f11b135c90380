import { Reservoir } from "../../data/prepare/reservoir.ts";
import { type PreparationOptions, prepareStore, startPreparation } from "../../data/prepare/prepare-store.ts";
import type { PassageExample } from "../../data/examples.ts";
import { QUESTION_STYLES, type QuestionStyle } from "../../models/passage-prompt.ts";
import { formatCount } from "../../util/format.ts";
import { withProgress } from "../../util/progress.ts";
import { randomFromSeed } from "../../util/random.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { openModelFiles } from "../model.ts";
import { prepareAnswersCommand } from "../prepare/answers.ts";
import { INPUTS_HELP, locateInputs, parseInputs } from "../prepare/inputs.ts";
import { limitFaults, limitOptions, limitsOf } from "../prepare/limit-options.ts";
import { previewJson, previewLegend, previewLines } from "../prepare/preview.ts";
import { rowChoice, rowFaults, rowOptions } from "../prepare/row-options.ts";
import { prepareSelfStudyCommand } from "../prepare/self-study.ts";
import { preparationJson, storeBytes, tellPreparation, tellStore } from "../prepare/tell-store.ts";
import { jsonOption, modelOptions } from "../shared-options.ts";
import { flag, option, optionOr, restArguments, text } from "../spec.ts";
import { choice } from "../values/choice.ts";

const STYLES = Object.keys(QUESTION_STYLES) as QuestionStyle[];
const SHOWN_EXAMPLES = 10;
/** Stream of the seed that draws the examples to show. */
const SHOWN_STREAM = 12;

export const prepare = defineCommand({
  name: "prepare",
  summary: "training data: data sets to a token store, the model's own answers, self-study",
  description:
    "Reads data sets, leaves out duplicates and what evaluation files hold, draws a sample, tokenises the rest once and writes a " +
    "token store that `train --data` starts from at once. The store appears whole or not at all; stopped, the command starts " +
    "anew. What was left out is counted by reason and named.",
  arguments: { inputs: restArguments("inputs", INPUTS_HELP) },
  commands: [prepareAnswersCommand, prepareSelfStudyCommand],
  options: {
    model: modelOptions.model,
    out: option("--out <folder>", "the token store; needed unless --dry-run", text),
    replace: flag("--replace", "let the store take the place of one that is there"),
    dryRun: flag("--dry-run", "do all but writing, and show ten examples as the model will see them"),
    ...rowOptions,
    style: optionOr(
      "--style <style>",
      `how questions are put where a row does not say: ${STYLES.join(", ")}`,
      choice(STYLES),
      "short-answer",
    ),
    ...limitOptions,
    json: jsonOption,
  },
  examples: [
    [
      "prepare squad=train-v1.1.json --decontaminate dev-v1.1.json --out store",
      "SQuAD without what its evaluation holds",
    ],
    [
      "prepare squad=train-v1.1.json longalpaca=LongAlpaca-12k.json --weights 2,1 --max-rows 9000 --out store",
      "6,000 rows of one and 3,000 of the other",
    ],
    ["prepare triples=answers.jsonl --dry-run", "ten examples as the model will see them"],
    ["train --data store --out run --steps 500", "what a store is for"],
  ],
  check: ({ options, arguments: { inputs } }) => [
    ...parseInputs(inputs).faults,
    ...(options.out === undefined && !options.dryRun ? ["--out <folder>: missing"] : []),
    ...rowFaults(options, inputs.length),
    ...limitFaults(options),
  ],
  run: async ({ options, arguments: given }, context) => {
    const files = await openModelFiles(options.model, context);
    const preparation: Omit<PreparationOptions, "onProgress"> = {
      ...(await rowChoice(options, context.log)),
      inputs: await locateInputs(parseInputs(given.inputs).inputs, context),
      files,
      limits: limitsOf(options),
      style: options.style,
      signal: context.signal,
    };
    if (options.dryRun || options.out === undefined) await showExamples(preparation, options.json, context);
    else await writeStore(options.out, preparation, options, context);
  },
});

async function showExamples(options: PreparationOptions, json: boolean, context: CommandContext): Promise<void> {
  const { out } = context;
  const { tokenizer } = options.files;
  const drawn = new Reservoir<PassageExample>(SHOWN_EXAMPLES, randomFromSeed(options.seed, SHOWN_STREAM));
  const preparation = await withRowProgress(options, async (watched) => {
    const started = startPreparation(watched);
    for await (const example of started.examples) drawn.offer(example);
    return started;
  });
  const shown = drawn.sample();
  if (json) {
    const examples = shown.map((example) => previewJson(example, tokenizer));
    out.json({ ...preparationJson(preparation), examples: drawn.offered, shown: examples });
    return;
  }
  out.line(previewLegend(out.colours));
  for (const example of shown) out.line(`\n${previewLines(example, tokenizer, out.colours).join("\n")}`);
  out.line("");
  tellPreparation(preparation, context);
  out.line(`${formatCount(drawn.offered)} examples; nothing was written`);
}

async function writeStore(
  path: string,
  options: PreparationOptions,
  { replace, json }: { readonly replace: boolean; readonly json: boolean },
  context: CommandContext,
): Promise<void> {
  const begun = performance.now();
  const { header, preparation } = await withRowProgress(options, (watched) => prepareStore(path, watched, { replace }));
  const seconds = (performance.now() - begun) / 1000;
  if (json) {
    const { examples, turns, tokens } = header;
    const facts = { out: path, examples, turns, tokens, bytes: await storeBytes(path), seconds };
    context.out.json({ ...facts, ...preparationJson(preparation) });
    return;
  }
  tellPreparation(preparation, context);
  await tellStore(path, header, seconds, context);
}

function withRowProgress<T>(
  options: PreparationOptions,
  work: (options: PreparationOptions) => Promise<T>,
): Promise<T> {
  return withProgress({ label: "prepare", unit: "examples" }, (progress) =>
    work({
      ...options,
      onProgress: ({ rows, examples }) => {
        progress.update(examples, { "rows read": formatCount(rows) });
      },
    }),
  );
}
