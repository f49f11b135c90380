import type { Passage } from "../data/passage.ts";
import type { AnswerPassages, PassageAnswers } from "../data/prepare/prepare-answers.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { QuestionStyle } from "../models/passage-prompt.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { identityOf } from "./identity.ts";
import { answeredPassagesSchema, ANSWERS_JOB, type AnswersWork } from "./jobs/answers.ts";
import { checked } from "./jobs/payload.ts";
import type { Link } from "./link.ts";
import { distribute, type FollowOptions, forgetFiles, type Shard } from "./run/distribute.ts";
import type { RunMemory } from "./run/memory.ts";
import { newRunName, runFolder } from "./run/run-name.ts";
import { cutBySize, SHARD_SIZE } from "./shards.ts";
import { getJson, putJson } from "./store/checked-file.ts";

export interface AnswersByQueueOptions extends FollowOptions {
  readonly link: Link;
  readonly model: LanguageModel;
  readonly style: QuestionStyle;
  readonly maxTokens: number;
  /** For people. */
  readonly title: string;
  /** Of a shard, in characters of passages and questions. It decides who does what, not what comes out. */
  readonly shardSize?: number;
  readonly memory: RunMemory;
}

/**
 * Answers questions on the machines of a queue.
 * @throws KvDistillError as `distribute`, and `engine` when passages failed for good; the others' answers came before
 */
export function answersByQueue(options: AnswersByQueueOptions): AnswerPassages {
  return async function* (passages) {
    let left = passages;
    // A remembered run may know other questions: those that it does not know are sent in a run of their own.
    for (let all = false; left.length > 0;) {
      if (all) throw new KvDistillError("bad-file", "the workers left questions out", { where: left[0]?.id ?? "" });
      all = (await options.memory.recall()) === undefined;
      const done = new Set<Passage>();
      for await (const answers of answerRun(options, left)) {
        done.add(answers.passage);
        yield answers;
      }
      left = left.filter((passage) => !done.has(passage));
    }
  };
}

async function* answerRun(
  { link, model, style, maxTokens, title, shardSize = SHARD_SIZE, memory, ...follow }: AnswersByQueueOptions,
  passages: readonly Passage[],
): AsyncGenerator<PassageAnswers, void, undefined> {
  const byId = new Map(passages.map((passage) => [passage.id, passage]));
  const { run, shards } = (await memory.recall()) ?? {
    run: newRunName(ANSWERS_JOB.name),
    shards: cutBySize(passages, sizeOf, shardSize).map((own) => own.map(({ id }) => id)),
  };
  await memory.remember({ run, shards });
  const work: Shard<AnswersWork>[] = [];
  for (const names of shards) {
    const own = names.flatMap((name) => byId.get(name) ?? []);
    const sent = own.map(({ id, context, questions }) => ({
      id,
      context,
      questions: questions.map(({ id: questionId, question }) => ({ id: questionId, question })),
    }));
    const file = await putJson(link.store, `${runFolder(run)}/work`, sent);
    work.push({ units: own.length, names: own.map(({ id }) => id), work: { style, maxTokens, passages: file } });
  }
  const identity = await identityOf(model);
  const distribution = { kind: ANSWERS_JOB, run, identity, title, unit: "passages", shards: work };
  const failures: string[] = [];
  for (const [i, outcome] of (await distribute(link, distribution, follow)).entries()) {
    if ("failure" in outcome) {
      failures.push(`passages ${(shards[i] ?? []).join(", ")}: ${outcome.failure.message}`);
      continue;
    }
    const { answers: file } = outcome.result;
    for (const { id, answers } of checked(answeredPassagesSchema, await getJson(link.store, file), file.key)) {
      const passage = byId.get(id);
      const known = new Map(answers.map((answer) => [answer.id, answer]));
      const own = passage?.questions.flatMap((question) => known.get(question.id) ?? []) ?? [];
      if (passage?.questions.length !== own.length) continue;
      yield { passage, answers: own.map(({ text, finish }) => ({ text, finish })) };
    }
  }
  // What was handed over is written.
  await memory.forget();
  await forgetFiles(link, run);
  if (failures.length > 0) {
    throw new KvDistillError("engine", "some passages could not be answered", {
      where: run,
      faults: faultList(failures),
      hint: "the same command tries them again",
    });
  }
}

function sizeOf({ context, questions }: Passage): number {
  return questions.reduce((sum, { question }) => sum + question.length, context.length);
}
