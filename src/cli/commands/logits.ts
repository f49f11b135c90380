import { logProbabilities } from "../../generate/sample.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { KvDistillError } from "../../util/errors.ts";
import { renderTable } from "../../util/table.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { jsonOption, readingOptions } from "../shared-options.ts";
import { option, text } from "../spec.ts";
import { tokenIds } from "../values/token-ids.ts";

/** Next tokens that are told. */
const TOLD = 20;

interface Likely {
  readonly id: number;
  readonly logProb: number;
}

export const logits = defineCommand({
  name: "logits",
  summary: "the likeliest next tokens, to check a model's conversion",
  description:
    `Prints the ${TOLD} likeliest next tokens, highest first, with the natural logarithm of their probability. ` +
    "Text is tokenised as it stands: special tokens are recognised, none are added.",
  arguments: {},
  options: {
    ...readingOptions,
    ids: option("--ids <list>", "token ids, separated by commas", tokenIds),
    text: option("--text <text>", "text to tokenise", text),
    json: jsonOption,
  },
  examples: [
    ['logits --text "The capital of France is"', "a table of 20 tokens of the default model"],
    ["logits --model ./my-model --ids 1,2,3 --json", "one line of JSON"],
  ],
  check: ({ options: { ids, text } }) =>
    (ids === undefined) === (text === undefined) ? ["give either --ids or --text"] : [],
  run: async ({ options }, context) => {
    await useModel(options, context, async (model) => {
      const { tokenizer } = model.files;
      const ids = options.ids ?? tokenizer.encode(options.text ?? "", { special: "parse" });
      const next = await likeliest(model, ids, context.signal);
      if (options.json) {
        context.out.json({ ids, next });
        return;
      }
      const rows = next.map(({ id, logProb }) => [
        String(id),
        JSON.stringify(tokenizer.decode([id], { skipSpecial: false })),
        logProb.toFixed(4),
      ]);
      const columns = [
        { name: "id", align: "right" },
        { name: "token" },
        { name: "log prob", align: "right" },
      ] as const;
      const { width, colours } = context.out;
      context.out.line(renderTable({ columns, rows }, { ...(width === undefined ? {} : { width }), colours }));
    });
  },
});

/**
 * The likeliest tokens after `ids`; of equally likely ones the lowest id first.
 * @throws KvDistillError `bad-argument` without ids or for one outside the vocabulary, `not-finite`, `context-too-long`
 */
async function likeliest(model: LanguageModel, ids: readonly number[], signal: AbortSignal): Promise<Likely[]> {
  if (ids.length === 0) throw new KvDistillError("bad-argument", "there are no tokens to read", { where: "--text" });
  const cache = await model.newCache();
  try {
    const { data } = await model.forward({ ids, cache, logitRows: [ids.length - 1], signal });
    const all = logProbabilities(data);
    if (!all.every(Number.isFinite)) throw new KvDistillError("not-finite", "the model's logits are not numbers");
    const order = Array.from(all.keys()).sort((a, b) => (all[b] ?? 0) - (all[a] ?? 0) || a - b);
    return order.slice(0, TOLD).map((id) => ({ id, logProb: all[id] ?? 0 }));
  } finally {
    cache.release();
  }
}
