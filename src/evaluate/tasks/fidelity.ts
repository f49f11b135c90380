import { triples } from "../../data/sources/triples.ts";
import { passagesOf } from "./passages-of.ts";
import { SHORT_ANSWER } from "./squad.ts";
import type { Task } from "./task.ts";

/**
 * How far predictions at the answers of any (context, question, answer) rows move from those of the full cache. Nothing is generated, so
 * that it costs one reading of each answer.
 */
export function fidelityTask(paths: readonly string[]): Task {
  return {
    name: "fidelity",
    settings: {},
    files: paths,
    style: SHORT_ANSWER,
    metrics: [],
    maxNewTokens: 0,
    async *passages({ notes }) {
      for await (const passage of passagesOf(triples, paths, notes)) {
        yield { ...passage, questions: passage.questions.map((question) => ({ ...question, score: () => ({}) })) };
      }
    },
  };
}
