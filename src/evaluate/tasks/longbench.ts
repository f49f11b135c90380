import { basename } from "node:path";
import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { type Place, placeText } from "../../data/passage.ts";
import { readRecords } from "../../data/sources/read/read-records.ts";
import { checked } from "../../data/sources/record-source.ts";
import { KvDistillError } from "../../util/errors.ts";
import { LONGBENCH, longBenchScore } from "../metrics/longbench/datasets.ts";
import { LONGBENCH_PROMPTS } from "./longbench-prompts.ts";
import type { PromptStyle, Task, TaskPassage } from "./task.ts";

/** As published at https://huggingface.co/datasets/THUDM/LongBench; fields that are not needed are not looked at. */
const rowSchema = z.object({
  input: z.string(),
  context: z.string().refine((text) => text.trim() !== "", "is blank"),
  answers: boundedList(z.string(), { least: 1 }),
  all_classes: boundedList(z.string()).nullish(),
  dataset: z.string().optional(),
  _id: z.string().optional(),
});
type Row = z.infer<typeof rowSchema>;

/**
 * LongBench from its published files: prompts, lengths of answers and scores as its repository has them, each data set by its own measure.
 * What stands in front of the context is compressed with it, what follows is the question. Nothing is cut: a context that the model cannot
 * read is a failure. Files of LongBench-E are read likewise.
 */
export function longBenchTask(paths: readonly string[]): Task {
  return {
    name: "longbench",
    settings: {},
    files: paths,
    style: { name: "longbench", ask: (question) => question, chat: true },
    metrics: ["score"],
    maxNewTokens: null,
    async *passages({ notes }) {
      for (const path of paths) {
        for await (const { value, ...place } of readRecords(path, notes)) {
          const row = checked(rowSchema, value);
          if ("fault" in row) notes.onFault({ ...place, fault: row.fault });
          else yield passageOf(row.value, place);
        }
      }
    },
  };
}

/** @throws KvDistillError `unsupported` for a data set that cannot be scored */
function passageOf(row: Row, place: Place): TaskPassage {
  const {
    context,
    answers,
    input,
    all_classes: classes,
    _id: id = placeText({ ...place, file: basename(place.file) }),
  } = row;
  const dataset = (row.dataset ?? basename(place.file).split(".")[0] ?? "").replace(/_e$/, "");
  const settings = LONGBENCH[dataset];
  const template = LONGBENCH_PROMPTS[dataset];
  if (settings === undefined || template === undefined) {
    throw new KvDistillError("unsupported", "no data set of LongBench that can be scored here", {
      where: placeText(place),
      expected: Object.keys(LONGBENCH).join(", "),
      got: dataset,
    });
  }
  const { before, after } = cutTemplate(template, context, input);
  return {
    id,
    source: `longbench_${dataset}`,
    context: before,
    style: styleOf(before, after, settings.continues === undefined),
    maxNewTokens: settings.maxNewTokens,
    questions: [
      {
        id,
        question: after,
        answers,
        facts: { dataset },
        score: ({ written }) => ({ score: longBenchScore(dataset, written, answers, classes ?? []) }),
      },
    ],
  };
}

function cutTemplate(template: string, context: string, input: string): { before: string; after: string } {
  const [before = "", after = ""] = template.split("{context}");
  // Not `replace` with a text: `$` in the input would mean something.
  return { before: before + context, after: after.split("{input}").join(input) };
}

/** Prompts take white space off the ends of documents and questions; here it is part of the prompt. */
function styleOf(before: string, after: string, chat: boolean): PromptStyle {
  const joint = before.slice(before.trimEnd().length) + after.slice(0, after.length - after.trimStart().length);
  const end = after.slice(after.trimEnd().length);
  return { name: "longbench", ask: (question) => `${joint}${question}${end}`, chat };
}
