import { fidelityTask } from "../../evaluate/tasks/fidelity.ts";
import { longBenchTask } from "../../evaluate/tasks/longbench.ts";
import { DEFAULT_NEEDLE, needleTask } from "../../evaluate/tasks/needle.ts";
import { qualityTask } from "../../evaluate/tasks/quality.ts";
import { squadTask } from "../../evaluate/tasks/squad.ts";
import { RULER_TASKS, rulerFile, rulerTask } from "../../evaluate/tasks/ruler/task.ts";
import { govreportTask, squalityTask } from "../../evaluate/tasks/summaries.ts";
import type { AddCommand } from "../define-command.ts";
import { option, optionOr, requiredOption, text } from "../spec.ts";
import { choices } from "../values/choice.ts";
import { filePaths } from "../values/file-paths.ts";
import { depthList, lengthList } from "../values/needle-lists.ts";
import { wholeNumber } from "../values/whole-number.ts";
import { taskCommand } from "./task-command.ts";

const dataFile = requiredOption("--data <file>", "questions; plain or gzip", text);
const dataFiles = requiredOption("--data <files>", "questions, one file or several separated by commas", filePaths);

/** Every task, in the order of the help. */
export const TASK_COMMANDS: readonly AddCommand[] = [
  taskCommand({
    name: "squad",
    summary: "short answers out of a paragraph",
    description:
      "SQuAD v1.1 as published, or JSON Lines with context, question and answers: exact match and F1 by the official rules, and how " +
      "many answers contain a gold answer.",
    options: { data: dataFile },
    examples: [
      ["eval squad --data dev-v1.1.json --limit 100 --keep 25%", "every method on 100 questions"],
      [
        "eval squad --data dev.jsonl.gz --keep 50%,25%,10% --adapter run/adapter --out run/eval",
        "with intervals and plots",
      ],
      [
        "eval squad --data dev.jsonl.gz --keep 50%,25%,10% --adapter run/adapter --out run/eval --resume",
        "after Ctrl-C",
      ],
    ],
    task: ({ data }) => squadTask(data),
  }),
  taskCommand({
    name: "quality",
    summary: "multiple choice about long texts",
    description:
      "QuALITY, html-stripped, as published or regrouped: the likeliest letter and the letter that is written, hard questions apart " +
      "where they are labelled. Articles have 5,000 to 7,000 tokens: --fold compresses them piece by piece.",
    options: { data: dataFiles },
    examples: [
      ["eval quality --data QuALITY.v1.0.1.htmlstripped.dev --fold --keep 25%,10%", "accuracy at two budgets"],
    ],
    task: ({ data }) => qualityTask(data),
  }),
  taskCommand({
    name: "needle",
    summary: "one sentence hidden in a long text, by depth and length",
    description:
      "Hides a sentence at every depth of texts of every length and asks for it. Lengths are tokens of the model's tokenizer, the " +
      "template's header included.",
    options: {
      haystack: requiredOption(
        "--haystack <path>",
        "what to hide it in: a text file, a folder of .txt files, or JSON Lines with a field text; plain or gzip",
        text,
      ),
      lengths: requiredOption("--lengths <list>", "tokens of the contexts, such as 512,1024", lengthList),
      depths: optionOr(
        "--depths <list>",
        "how deep it is hidden, 0% the beginning",
        depthList,
        [0, 0.25, 0.5, 0.75, 1],
        "0%,25%,50%,75%,100%",
      ),
      samples: optionOr("--samples <n>", "haystacks for every depth and length", wholeNumber(), 1),
      needle: optionOr("--needle <text>", "the sentence", text, DEFAULT_NEEDLE.needle),
      question: optionOr("--question <text>", "what is asked", text, DEFAULT_NEEDLE.question),
      answer: optionOr("--answer <text>", "what the answer must contain", text, DEFAULT_NEEDLE.answer),
    },
    examples: [["eval needle --haystack essays --lengths 512,1024,2048 --keep 50%,10%", "a map for every method"]],
    check: ({ needle, answer }) =>
      needle.includes(answer) ? [] : ["--answer: the needle does not contain it, so that no reader could find it"],
    task: ({ haystack, ...rest }) => needleTask(haystack, rest),
  }),
  taskCommand({
    name: "ruler",
    summary: "RULER's thirteen made-up tasks, at any length",
    description:
      "Needles with keys and values, chains of variables, common and frequent words, questions about one of many documents, made with " +
      "the settings that RULER publishes. Lengths are tokens of everything, the answer's limit included, by the model's tokenizer.",
    options: {
      lengths: requiredOption("--lengths <list>", "tokens of the samples, such as 4096,8192", lengthList),
      tasks: optionOr("--tasks <list>", `some of ${RULER_TASKS.join(",")}`, choices(RULER_TASKS), RULER_TASKS, "all"),
      samples: optionOr("--samples <n>", "of each task at each length", wholeNumber(), 10),
      haystack: option(
        "--haystack <path>",
        "text for the essays: a file, a folder of .txt files, or JSON Lines with a field text",
        text,
      ),
      squad: option("--squad <file>", "SQuAD, for qa_1", text),
      hotpot: option("--hotpot <file>", "HotpotQA, hotpot_dev_distractor_v1.json, for qa_2", text),
    },
    examples: [
      [
        "eval ruler --lengths 4096 --haystack essays --squad dev-v2.0.json --hotpot hotpot_dev_distractor_v1.json",
        "all of it",
      ],
      ["eval ruler --lengths 1024 --tasks niah_single_1,vt --samples 20", "two tasks that need no file"],
    ],
    check: ({ tasks, ...files }) => [
      ...new Set(
        tasks.flatMap((name) => {
          const file = rulerFile(name);
          return file === undefined || files[file] !== undefined ? [] : [`${name} needs --${file}`];
        }),
      ),
    ],
    task: ({ tasks, lengths, samples, haystack, squad, hotpot }) =>
      rulerTask(
        { tasks, lengths, samples },
        {
          ...(haystack === undefined ? {} : { haystack }),
          ...(squad === undefined ? {} : { squad }),
          ...(hotpot === undefined ? {} : { hotpot }),
        },
      ),
  }),
  taskCommand({
    name: "longbench",
    summary: "LongBench's English data sets, each by its own measure",
    description:
      "Files as LongBench publishes them, one a data set: its prompts, lengths of answers and scores. A context that the model cannot " +
      "read is a failure; nothing is cut.",
    options: { data: dataFiles },
    examples: [["eval longbench --data qasper.jsonl,trec.jsonl --fold --keep 25%", "two of its data sets"]],
    task: ({ data }) => longBenchTask(data),
  }),
  taskCommand({
    name: "squality",
    summary: "answers of a paragraph about stories, by Rouge-L",
    description:
      "SQuALITY as published or regrouped. Rouge-L is that of Google's rouge-score, without stemming, best of the golds.",
    options: { data: dataFiles },
    examples: [["eval squality --data dev.jsonl --fold --keep 25%", "Rouge-L at a budget"]],
    task: ({ data }) => squalityTask(data),
  }),
  taskCommand({
    name: "govreport",
    summary: "summaries of long reports, by Rouge-L",
    description: "GovReport, rows of report and summary. Rouge-L is that of Google's rouge-score, without stemming.",
    options: { data: dataFiles },
    examples: [["eval govreport --data test.parquet --fold --keep 20%,10%", "Rouge-L at two budgets"]],
    task: ({ data }) => govreportTask(data),
  }),
  taskCommand({
    name: "fidelity",
    summary: "divergence from the full cache on any triples; nothing is generated",
    description:
      "Reads every gold answer from each cache and compares predictions with the full cache's: forward KL, agreement on the likeliest " +
      "token, perplexity. The sharpest number and the cheapest.",
    options: { data: dataFiles },
    examples: [["eval fidelity --data rows.jsonl --keep 50%,25%,10%", "rows of context, question and answer"]],
    task: ({ data }) => fidelityTask(data),
  }),
];
