import { KvDistillError } from "../../../util/errors.ts";
import { classification, code, count, type Measure, qaF1, retrieval, rouge } from "./measures.ts";

/** How LongBench asks and scores one of its data sets. */
export interface LongBenchDataset {
  readonly measure: Measure;
  /** Tokens of an answer at most. */
  readonly maxNewTokens: number;
  /** Few-shot prompts and code go on as they stand: no chat template, and where they are lines, only the first counts. */
  readonly continues?: "line" | "code";
}

/**
 * The English data sets of LongBench (Bai et al. 2024, arXiv 2308.14508) with the settings that its repository publishes
 * (https://github.com/THUDM/LongBench/tree/main/LongBench: eval.py, pred.py, config/dataset2maxlen.json). The Chinese ones need a Chinese
 * word segmenter and are not here.
 */
export const LONGBENCH: Readonly<Record<string, LongBenchDataset>> = {
  narrativeqa: { measure: qaF1, maxNewTokens: 128 },
  qasper: { measure: qaF1, maxNewTokens: 128 },
  multifieldqa_en: { measure: qaF1, maxNewTokens: 64 },
  hotpotqa: { measure: qaF1, maxNewTokens: 32 },
  "2wikimqa": { measure: qaF1, maxNewTokens: 32 },
  musique: { measure: qaF1, maxNewTokens: 32 },
  gov_report: { measure: rouge, maxNewTokens: 512 },
  qmsum: { measure: rouge, maxNewTokens: 512 },
  multi_news: { measure: rouge, maxNewTokens: 512 },
  trec: { measure: classification, maxNewTokens: 64, continues: "line" },
  triviaqa: { measure: qaF1, maxNewTokens: 32, continues: "line" },
  samsum: { measure: rouge, maxNewTokens: 128, continues: "line" },
  passage_count: { measure: count, maxNewTokens: 32 },
  passage_retrieval_en: { measure: retrieval, maxNewTokens: 32 },
  lcc: { measure: code, maxNewTokens: 64, continues: "code" },
  "repobench-p": { measure: code, maxNewTokens: 64, continues: "code" },
};

/**
 * The score that LongBench gives an answer, best over the golds, 0 … 1.
 * @throws KvDistillError `bad-argument` for a data set that is not here
 */
export function longBenchScore(
  dataset: string,
  answer: string,
  golds: readonly string[],
  classes: readonly string[],
): number {
  const own = LONGBENCH[dataset];
  if (own === undefined) {
    throw new KvDistillError("bad-argument", "no such data set of LongBench", {
      expected: Object.keys(LONGBENCH).join(", "),
      got: dataset,
    });
  }
  const read = own.continues === "line" ? (answer.replace(/^\n+/, "").split("\n")[0] ?? "") : answer;
  return Math.max(0, ...golds.map((gold) => own.measure(read, gold, classes)));
}
