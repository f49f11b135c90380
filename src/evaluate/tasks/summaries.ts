import { z } from "zod";
import type { Question } from "../../data/passage.ts";
import { checked, idField, recordSource } from "../../data/sources/record-source.ts";
import { squality } from "../../data/sources/squality.ts";
import { rougeL } from "../metrics/rouge-l.ts";
import { passagesOf } from "./passages-of.ts";
import type { PromptStyle, Task, TaskQuestion } from "./task.ts";

const ANSWER: PromptStyle = {
  name: "paragraph",
  ask: (question) => `\n\nQuestion: ${question}\nAnswer in one paragraph.`,
  chat: true,
};
const INSTRUCTION: PromptStyle = { name: "plain", ask: (question) => `\n\n${question}`, chat: true };

/** The human answers have 237 words on average (arXiv 2205.11465, table 1). */
const SQUALITY_NEW_TOKENS = 384;
/** As LongBench has it for this data set. */
const GOVREPORT_NEW_TOKENS = 512;

/** SQuALITY (Wang et al. 2022, arXiv 2205.11465, https://github.com/nyu-mll/SQuALITY): answers of a paragraph, by Rouge-L. */
export function squalityTask(paths: readonly string[]): Task {
  return {
    name: "squality",
    settings: {},
    files: paths,
    style: ANSWER,
    metrics: ["rougeL"],
    maxNewTokens: SQUALITY_NEW_TOKENS,
    async *passages({ notes }) {
      for await (const passage of passagesOf(squality, paths, notes)) {
        yield { ...passage, questions: passage.questions.map(longAnswer) };
      }
    },
  };
}

/** As on the hub, https://huggingface.co/datasets/ccdv/govreport-summarization: rows of report and summary. */
const reportSchema = z.object({ id: idField.optional(), report: z.string(), summary: z.string() });
const govreport = recordSource(
  {
    name: "govreport",
    description: "GovReport: reports of US government agencies with their summaries",
    split: "report is the context, summary the answer",
    format: "https://huggingface.co/datasets/ccdv/govreport-summarization",
    licence: "not stated",
  },
  function* (value) {
    const row = checked(reportSchema, value);
    if ("fault" in row) {
      yield row;
      return;
    }
    const { id, report, summary } = row.value;
    const question = "Write a one-page summary of the report.";
    yield { ...(id === undefined ? {} : { id }), context: report, question, answers: [summary] };
  },
);

/** GovReport (Huang et al. 2021, arXiv 2104.02112): summaries of long reports, by Rouge-L. */
export function govreportTask(paths: readonly string[]): Task {
  return {
    name: "govreport",
    settings: {},
    files: paths,
    style: INSTRUCTION,
    metrics: ["rougeL"],
    maxNewTokens: GOVREPORT_NEW_TOKENS,
    async *passages({ notes }) {
      for await (const passage of passagesOf(govreport, paths, notes)) {
        yield { ...passage, questions: passage.questions.map(longAnswer) };
      }
    },
  };
}

function longAnswer(question: Question): TaskQuestion {
  return { ...question, score: ({ answer }) => ({ rougeL: rougeL(answer, question.answers) }) };
}
