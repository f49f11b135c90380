import { argmax } from "../../generate/sample.ts";
import { contextLimit } from "../../models/config.ts";
import { heldRows } from "../../models/host-layer.ts";
import { KvDistillError } from "../../util/errors.ts";
import { divergence, type Teacher, teacherOf } from "../metrics/divergence.ts";
import type { Task } from "../tasks/task.ts";
import { partsOf } from "./batches.ts";
import type { Condition } from "./conditions.ts";
import type { EvaluationSetup } from "./evaluation-setup.ts";
import { PassageCaches } from "./passage-caches.ts";
import { promptOf } from "./prompt.ts";
import { type AskedQuestion, askedQuestions, type PassageTask, tokensNeeded } from "./question.ts";
import { type Asking, type Reading, readQuestions } from "./read-questions.ts";
import { sampleFailure } from "./sample-failure.ts";
import { conditionOf, type SampleRow } from "./sample-row.ts";

const FULL: Condition = { method: "full", keep: undefined };

/**
 * Measures every condition on the questions of one passage. The passage is read once in full; each condition then compresses it once (a
 * question-aware method: once for each question), and the questions are put to the caches of several conditions side by side. Rows come in
 * batches. What failed comes as rows that say so.
 * @param wanted which rows are still to be made; batches are computed whole all the same, so that results do not depend on it
 * @throws KvDistillError `cancelled`, and for faults that are not one sample's
 */
export async function* evaluatePassage(
  setup: EvaluationSetup,
  task: PassageTask,
  wanted: (sample: number, condition: Condition) => boolean,
): AsyncGenerator<SampleRow[], void, undefined> {
  const pass = new PassageRun(setup, task);
  const left = (rows: readonly SampleRow[]): SampleRow[] => rows.filter((row) => wanted(row.sample, conditionOf(row)));
  const anyLeft = (questions: readonly AskedQuestion[], conditions: readonly Condition[]): boolean =>
    questions.some((one) => conditions.some((own) => pass.fits(one, own) && wanted(one.sample, own)));

  const tooLong = left(setup.conditions.flatMap((condition) => pass.tooLong(condition)));
  if (tooLong.length > 0) yield tooLong;
  for (const [index, { conditions, batches }] of pass.parts().entries()) {
    const asked = conditions.filter((condition) => setup.conditions.includes(condition));
    for (const batch of batches) {
      const answer = anyLeft(batch, asked);
      // The full cache is in the first part: the others are compared with it.
      if (!answer && !(index === 0 && anyLeft(batch, setup.conditions))) continue;
      const rows = left(await pass.measure(conditions, batch, answer ? asked : []));
      if (rows.length > 0) yield rows;
    }
    pass.caches.forget();
  }
}

interface PassageAsking extends Asking {
  readonly condition: Condition;
  readonly question: AskedQuestion;
  /** This question's share of making the cache. */
  readonly seconds: number;
  /** Gives a row. */
  readonly answers: boolean;
}

/** One passage while its conditions are measured. */
class PassageRun {
  private readonly setup: EvaluationSetup;
  private readonly task: PassageTask;
  private readonly contextIds: readonly number[];
  private readonly questions: readonly AskedQuestion[];
  private readonly maxNewTokens: number;
  readonly caches: PassageCaches;
  private readonly teachers = new Map<number, Teacher>();

  constructor(setup: EvaluationSetup, task: PassageTask) {
    const { files } = setup.model;
    const { context, style = setup.task.style, maxNewTokens } = task.passage;
    const prompt = promptOf(files, style);
    this.setup = setup;
    this.task = task;
    this.contextIds = prompt.contextIds(context);
    this.caches = new PassageCaches(setup, task.index, this.contextIds);
    this.questions = askedQuestions(task, { prompt, tokenizer: files.tokenizer, goldTokens: setup.goldTokens });
    this.maxNewTokens = answerLimit(setup.task, maxNewTokens, setup.maxNewTokens);
  }

  /** Conditions and questions that are read together, the full cache's first. */
  parts(): ReturnType<typeof partsOf<Condition, AskedQuestion>> {
    const { conditions, model } = this.setup;
    const all = conditions.some(({ method }) => method === "full") ? conditions : [FULL, ...conditions];
    return partsOf(all, this.questions, {
      config: model.config,
      maxNewTokens: this.maxNewTokens,
      rowsOf: (condition) => this.caches.rowsOf(condition),
      familyOf: (condition) => this.caches.familyOf(condition),
      cacheOf: (condition) => this.caches.cacheOf(condition),
      isQuestionAware: (condition) => this.caches.isQuestionAware(condition),
    });
  }

  /** Whether a condition can read a question. */
  fits(question: AskedQuestion, condition: Condition): boolean {
    return this.rowsNeeded(question, condition) <= this.limit;
  }

  /** Rows of the questions that a condition cannot read. */
  tooLong(condition: Condition): SampleRow[] {
    return this.questions.flatMap((one) => {
      const needed = this.rowsNeeded(one, condition);
      if (needed <= this.limit) return [];
      const failure = new KvDistillError(
        "context-too-long",
        "context, question and answer are longer than the model reads",
        { where: one.question.id, expected: `at most ${this.limit} tokens`, got: String(needed) },
      );
      return [this.failedRow(one, condition, failure)];
    });
  }

  /**
   * Puts questions to the caches of several conditions.
   * @param answering the conditions that answer, and give rows; the others read the gold answers alone
   */
  async measure(
    conditions: readonly Condition[],
    questions: readonly AskedQuestion[],
    answering: readonly Condition[],
  ): Promise<SampleRow[]> {
    const rows: SampleRow[] = [];
    const askings: PassageAsking[] = [];
    for (const question of questions) {
      for (const condition of conditions.filter((own) => this.fits(question, own))) {
        const answers = answering.includes(condition);
        const { start, seconds, failure } = await this.caches.of(condition, question);
        if (start !== undefined) {
          const maxNewTokens = answers ? this.maxNewTokens : 0;
          askings.push({
            condition,
            question,
            start,
            seconds: seconds / this.sharers(condition),
            maxNewTokens,
            answers,
          });
        } else if (failure !== undefined && answers) rows.push(this.failedRow(question, condition, failure));
      }
    }
    return [...rows, ...(await this.measureTogether(askings))];
  }

  /** Questions that a condition's cache is made for. */
  private sharers(condition: Condition): number {
    return this.caches.isQuestionAware(condition)
      ? 1
      : this.questions.filter((one) => this.fits(one, condition)).length;
  }

  private get limit(): number {
    return contextLimit(this.setup.model.config);
  }

  /** Rows that are in the cache when a question's longest answer ends. */
  private rowsNeeded(question: AskedQuestion, condition: Condition): number {
    // In one piece the context has to be read as a whole, whatever is kept of it.
    const whole = this.setup.fold === undefined || condition.method === "full";
    const rows = whole ? this.contextIds.length : this.caches.budget(condition);
    return rows + tokensNeeded(question, this.maxNewTokens);
  }

  private failedRow(question: AskedQuestion, condition: Condition, failure: KvDistillError): SampleRow {
    return {
      ...this.rowStart(question, condition),
      rows: null,
      answer: "",
      newTokens: 0,
      finish: "failure",
      ...Object.fromEntries(this.setup.task.metrics.map((name) => [name, 0])),
      ...this.emptiness(""),
      forwardKl: null,
      top1: null,
      answerNll: null,
      answerTokens: question.answerIds.length,
      seconds: 0,
      failure: { code: failure.code, message: failure.message },
    };
  }

  private async measureTogether(askings: readonly PassageAsking[]): Promise<SampleRow[]> {
    if (askings.length === 0) return [];
    const { model, signal } = this.setup;
    const begun = performance.now();
    try {
      const distinct = distinctAskings(askings);
      const readings = await readQuestions(model, distinct, { signal });
      const read = askings.flatMap((asking) => {
        const reading = readings[distinct.findIndex((one) => isSame(one, asking))];
        return reading === undefined ? [] : [{ asking, reading }];
      });
      for (const { asking, reading } of read) {
        if (asking.condition.method !== "full") continue;
        this.teachers.set(asking.question.sample, teacherOf(reading.goldLogits));
      }
      const rows = read.flatMap(({ asking, reading }) => (asking.answers ? [this.row(asking, reading)] : []));
      const seconds = (performance.now() - begun) / 1000 / askings.length;
      return rows.map((row) => ({ ...row, seconds: row.seconds + seconds }));
    } catch (error) {
      const failure = sampleFailure(error);
      const [only, ...others] = askings;
      if (others.length === 0) {
        return only?.answers === true ? [this.failedRow(only.question, only.condition, failure)] : [];
      }
      // Each for itself, so that one question's failure is not its neighbours'.
      const rows: SampleRow[] = [];
      for (const asking of askings) rows.push(...(await this.measureTogether([asking])));
      return rows;
    }
  }

  private row({ question: asked, condition, start, seconds }: PassageAsking, reading: Reading): SampleRow {
    const written = this.setup.model.files.tokenizer.decode(reading.answerIds, { skipSpecial: true });
    const answer = written.trim();
    const teacher = this.teachers.get(asked.sample);
    const none = { forwardKl: null, top1: null, answerNll: null };
    const choice = likeliest(asked.letterIds, reading.goldLogits[0]);
    return {
      ...this.rowStart(asked, condition),
      rows: heldRows(start.layers, this.setup.model.config),
      answer,
      newTokens: reading.answerIds.length,
      finish: this.maxNewTokens === 0 ? "none" : reading.finish,
      ...(choice === undefined ? {} : { choice }),
      ...asked.question.score({ answer, written, choice }),
      ...this.emptiness(answer),
      ...(teacher === undefined ? none : divergence(teacher, reading.goldLogits, asked.answerIds)),
      answerTokens: asked.answerIds.length,
      seconds,
    };
  }

  private emptiness(answer: string): Pick<SampleRow, "empty"> {
    return this.maxNewTokens === 0 ? {} : { empty: /[\p{L}\p{N}]/u.test(answer) ? 0 : 1 };
  }

  private rowStart(
    { sample, question: { id, facts } }: AskedQuestion,
    { method, keep }: Condition,
  ): Pick<SampleRow, "sample" | "passage" | "id" | "method" | "keep" | "contextTokens" | "facts"> {
    return {
      sample,
      passage: this.task.index,
      id,
      method,
      keep: keep ?? null,
      contextTokens: this.contextIds.length,
      ...(facts === undefined ? {} : { facts }),
    };
  }
}

/** Without those that put a question again to the rows of another condition: methods that were asked to keep all have one cache. */
function distinctAskings(askings: readonly PassageAsking[]): PassageAsking[] {
  const distinct: PassageAsking[] = [];
  for (const asking of askings) {
    const place = distinct.findIndex((one) => isSame(one, asking));
    const known = distinct[place];
    if (known === undefined) distinct.push(asking);
    else if (asking.maxNewTokens > known.maxNewTokens) distinct[place] = asking;
  }
  return distinct;
}

function isSame(a: PassageAsking, b: PassageAsking): boolean {
  return a.start.layers === b.start.layers && a.question.sample === b.question.sample;
}

/** Tokens of an answer at most. A task that generates nothing does not, whatever the run says. */
export function answerLimit(
  { maxNewTokens: ofTask }: Pick<Task, "maxNewTokens">,
  ofPassage: number | undefined,
  ofRun: number | null,
): number {
  return ofTask === 0 ? 0 : (ofRun ?? ofTask ?? ofPassage ?? 0);
}

/** The place of the likeliest of a few tokens; the first of equals. */
function likeliest(ids: readonly number[], logits: Float32Array | undefined): number | undefined {
  if (ids.length === 0 || logits === undefined) return undefined;
  const own = Float32Array.from(ids, (id) => logits[id] ?? NaN);
  if (own.every(Number.isFinite)) return argmax(own);
  throw new KvDistillError("not-finite", "the model's logits are not numbers");
}
