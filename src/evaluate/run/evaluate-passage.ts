import { CompressionContext } from "../../compress/context.ts";
import { keptCount } from "../../compress/kept-count.ts";
import type { CompressionMethod } from "../../compress/method.ts";
import { contextLimit } from "../../models/config.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { LayerCache } from "../../models/layer-cache.ts";
import type { PassagePrompt } from "../../models/passage-prompt.ts";
import { type ErrorCode, isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import { divergence, type Teacher, teacherOf } from "../metrics/divergence.ts";
import { scoreAnswer } from "../metrics/squad.ts";
import type { Condition } from "./conditions.ts";
import { type AskedQuestion, askedQuestions, groupQuestions, type PassageTask, tokensNeeded } from "./question.ts";
import { type Reading, readQuestions } from "./read-questions.ts";
import type { KeptFile, KeptRows } from "./kept-file.ts";
import type { SampleRow } from "./sample-row.ts";

/** What all passages of a run share. */
export interface EvaluationSetup {
  readonly model: LanguageModel;
  readonly prompt: PassagePrompt;
  readonly methods: ReadonlyMap<string, CompressionMethod>;
  readonly conditions: readonly Condition[];
  readonly sinks: number;
  readonly seed: number;
  readonly maxNewTokens: number;
  /** Where it is written what was kept. */
  readonly kept?: KeptFile;
  readonly signal?: AbortSignal;
}

/** Errors that one sample may run into; any other is a fault of the run and ends it. */
const SAMPLE_FAILURES: readonly ErrorCode[] = ["context-too-long", "out-of-memory", "engine", "not-finite"];

/** One word of the stream's name, so that other draws of the same seed are independent of these. */
const PASSAGE_STREAM = 2;

/**
 * Measures every condition on the questions of one passage. The passage is read once in full; each condition then compresses it once and
 * reads all questions from that cache; no more than one condition's cache is held where the model runs. Rows come in batches, a batch
 * being one condition on questions that are read together. What failed comes as rows that say so.
 * @param wanted which rows are still to be made; batches are computed whole all the same, so that results do not depend on it
 * @throws KvDistillError `cancelled`, and for faults that are not one sample's
 */
export async function* evaluatePassage(
  setup: EvaluationSetup,
  task: PassageTask,
  wanted: (sample: number, condition: Condition) => boolean,
): AsyncGenerator<SampleRow[], void, undefined> {
  const contextIds = setup.prompt.contextIds(task.passage.context);
  const pass = new PassageRun(setup, task, contextIds);
  const limit = contextLimit(setup.model.config);
  const questions = askedQuestions(task, setup.prompt);
  const tooLong = questions.filter((one) => contextIds.length + tokensNeeded(one, setup.maxNewTokens) > limit);
  const groups = groupQuestions(questions.filter((one) => !tooLong.includes(one)));

  const left = (condition: Condition, rows: readonly SampleRow[]): SampleRow[] =>
    rows.filter(({ sample }) => wanted(sample, condition));
  for (const condition of setup.conditions) {
    const rows = left(
      condition,
      tooLong.map((question) => pass.failedRow(question, condition, tooLongFor(question, contextIds, setup, limit))),
    );
    if (rows.length > 0) yield rows;
  }
  const open = (condition: Condition): AskedQuestion[][] =>
    groups.filter((group) => group.some(({ sample }) => wanted(sample, condition)));
  const pending = setup.conditions.filter((condition) => open(condition).length > 0);
  if (pending.length === 0) return;

  // The full cache is read first, whether it is asked for or not: the others are compared with it.
  const full: Condition = { method: "full", keep: undefined };
  const compared = groups.filter((group) =>
    group.some(({ sample }) => pending.some((condition) => wanted(sample, condition))),
  );
  for await (const rows of pass.measure(
    full,
    compared,
    pending.some(({ method }) => method === "full"),
  )) {
    const own = left(full, rows);
    if (own.length > 0) yield own;
  }
  for (const condition of pending.filter(({ method }) => method !== "full")) {
    for await (const rows of pass.measure(condition, open(condition), true)) {
      const own = left(condition, rows);
      if (own.length > 0) yield own;
    }
  }
}

function tooLongFor(
  question: AskedQuestion,
  contextIds: readonly number[],
  setup: EvaluationSetup,
  limit: number,
): KvDistillError {
  return new KvDistillError("context-too-long", "context, question and answer are longer than the model reads", {
    where: question.id,
    expected: `at most ${limit} tokens`,
    got: String(contextIds.length + tokensNeeded(question, setup.maxNewTokens)),
  });
}

/** One passage while its conditions are measured. */
class PassageRun {
  private readonly setup: EvaluationSetup;
  private readonly task: PassageTask;
  private readonly context: CompressionContext;
  private readonly teachers = new Map<number, Teacher>();

  constructor(setup: EvaluationSetup, task: PassageTask, contextIds: readonly number[]) {
    this.setup = setup;
    this.task = task;
    this.context = new CompressionContext(
      setup.model,
      contextIds,
      setup.signal === undefined ? {} : { signal: setup.signal },
    );
  }

  /**
   * Rows of one condition, group by group.
   * @param answer false to read the gold answers of the full cache alone: no rows then
   */
  async *measure(
    condition: Condition,
    groups: readonly (readonly AskedQuestion[])[],
    answer: boolean,
  ): AsyncGenerator<SampleRow[], void, undefined> {
    const begun = performance.now();
    const count = groups.reduce((sum, group) => sum + group.length, 0);
    let cache: LayerCache;
    try {
      cache = await this.compressed(condition);
    } catch (error) {
      const failure = sampleFailure(error);
      if (answer) yield* groups.map((group) => group.map((one) => this.failedRow(one, condition, failure)));
      return;
    }
    try {
      const compressSeconds = (performance.now() - begun) / 1000 / count;
      for (const group of groups) yield await this.measureGroup(condition, cache, group, answer, compressSeconds);
    } finally {
      cache.release();
    }
  }

  failedRow(question: AskedQuestion, condition: Condition, failure: KvDistillError): SampleRow {
    return {
      ...this.rowStart(question, condition),
      rows: null,
      answer: "",
      newTokens: 0,
      finish: "failure",
      em: 0,
      f1: 0,
      goldInAnswer: 0,
      answerInGold: 0,
      empty: 1,
      forwardKl: null,
      top1: null,
      answerNll: null,
      answerTokens: question.answerIds.length,
      seconds: 0,
      failure: { code: failure.code, message: failure.message },
    };
  }

  private async compressed(condition: Condition): Promise<LayerCache> {
    const { setup, context } = this;
    const { method, keep } = condition;
    const tokens = context.ids.length;
    const rows: KeptRows =
      method === "full"
        ? await context.full()
        : await this.methodNamed(method).compress({
            context,
            count: keep === undefined ? tokens : keptCount(tokens, keep, setup.sinks),
            sinks: setup.sinks,
            // Other lots for every passage, the same for every budget of one.
            seed: randomFromSeed(setup.seed, PASSAGE_STREAM, this.task.index).uint32(),
          });
    await setup.kept?.append(this.task.index, condition, {
      ...rows,
      text: () => setup.model.files.tokenizer.spans(context.ids),
    });
    return LayerCache.from(setup.model.runtime, setup.model.config, rows.layers, tokens);
  }

  private methodNamed(name: string): CompressionMethod {
    const method = this.setup.methods.get(name);
    if (method === undefined) throw new KvDistillError("bad-argument", "the run has no such method", { where: name });
    return method;
  }

  private async measureGroup(
    condition: Condition,
    cache: LayerCache,
    group: readonly AskedQuestion[],
    answer: boolean,
    compressSeconds: number,
  ): Promise<SampleRow[]> {
    const { model, maxNewTokens, signal } = this.setup;
    const begun = performance.now();
    const rows = cache.length;
    try {
      const readings = await readQuestions(model, cache, group, {
        maxNewTokens: answer ? maxNewTokens : 0,
        ...(signal === undefined ? {} : { signal }),
      });
      if (condition.method === "full") {
        group.forEach(({ sample }, i) => this.teachers.set(sample, teacherOf(readings[i]?.goldLogits ?? [])));
      }
      if (!answer) return [];
      const made = readings.flatMap((reading, i) => {
        const question = group[i];
        return question === undefined ? [] : [this.row(question, condition, rows, reading)];
      });
      const seconds = compressSeconds + (performance.now() - begun) / 1000 / group.length;
      return made.map((row) => ({ ...row, seconds }));
    } catch (error) {
      const failure = sampleFailure(error);
      const [only, ...others] = group;
      // Each for itself, so that one question's failure is not its neighbours'.
      if (others.length > 0) {
        const single: SampleRow[] = [];
        for (const one of group) {
          single.push(...(await this.measureGroup(condition, cache, [one], answer, compressSeconds)));
        }
        return single;
      }
      return answer && only !== undefined ? [this.failedRow(only, condition, failure)] : [];
    }
  }

  private row(question: AskedQuestion, condition: Condition, rows: number, reading: Reading): SampleRow {
    const answer = this.setup.model.files.tokenizer.decode(reading.answerIds, { skipSpecial: true }).trim();
    const teacher = this.teachers.get(question.sample);
    const none = { forwardKl: null, top1: null, answerNll: null };
    return {
      ...this.rowStart(question, condition),
      rows,
      answer,
      newTokens: reading.answerIds.length,
      finish: reading.finish,
      ...scoreAnswer(answer, question.golds),
      ...(teacher === undefined ? none : divergence(teacher, reading.goldLogits, question.answerIds)),
      answerTokens: question.answerIds.length,
      seconds: 0,
    };
  }

  private rowStart(
    { sample, id }: AskedQuestion,
    { method, keep }: Condition,
  ): Pick<SampleRow, "sample" | "passage" | "id" | "method" | "keep" | "contextTokens"> {
    return {
      sample,
      passage: this.task.index,
      id,
      method,
      keep: keep ?? null,
      contextTokens: this.context.ids.length,
    };
  }
}

/** The error as one sample's failure. @throws the error itself when it is none */
function sampleFailure(error: unknown): KvDistillError {
  if (isKvDistillError(error) && SAMPLE_FAILURES.includes(error.code)) return error;
  throw error;
}
