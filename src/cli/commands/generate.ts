import { generate as generateText } from "../../generate/generate.ts";
import { chatPromptIds } from "../../models/chat-prompt.ts";
import { printable } from "../../util/printable.ts";
import { speedText, startAnswerMeter } from "../answer-meter.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { readInput } from "../read-input.ts";
import { samplingOf, samplingOptions } from "../sampling-options.ts";
import { jsonOption, readingOptions } from "../shared-options.ts";
import { argument, flag } from "../spec.ts";

export const generate = defineCommand({
  name: "generate",
  summary: "an answer to a prompt, without a cache",
  description: "Streams the model's answer to a prompt. No cache is read or written.",
  arguments: { prompt: argument("prompt", "what to answer; - reads it from stdin") },
  options: {
    ...readingOptions,
    raw: flag("--raw", "go on from the prompt as it stands, special tokens recognised, without chat template"),
    ...samplingOptions,
    json: jsonOption,
  },
  examples: [
    ['generate "Why is the sky blue?"', "streams an answer of the default model"],
    ['generate --raw "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7', "goes on from the text"],
    ["generate - --json < prompt.txt", "text and figures as one line of JSON"],
  ],
  run: async ({ options, arguments: { prompt } }, { out, log, signal }) => {
    const given = prompt === "-" ? await readInput("-", signal) : prompt;
    await useModel(options, { log }, async (model) => {
      const { files } = model;
      const promptIds = options.raw ? files.tokenizer.encode(given, { special: "parse" }) : chatPromptIds(files, given);
      const { maxTokens, seed } = options;
      const meter = startAnswerMeter(promptIds.length);
      const ids: number[] = [];
      const onToken = (id: number): void => {
        meter.token();
        ids.push(id);
      };
      let text = "";
      try {
        const sampling = samplingOf(options);
        for await (const piece of generateText(model, { promptIds, maxTokens, sampling, seed, onToken, signal })) {
          text += piece;
          if (!options.json) out.write(printable(piece));
        }
      } finally {
        if (!options.json && text !== "" && !text.endsWith("\n")) out.line("");
      }
      const finish = ids.length < maxTokens ? "stop" : "length";
      if (options.json) out.json({ text, ids, finish, ...meter.speed() });
      else log.info(speedText(meter.speed()));
    });
  },
});
