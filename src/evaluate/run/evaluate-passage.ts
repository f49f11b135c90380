import { CompressionContext } from "../../compress/context.ts";
import { joinParts, placeRows } from "../../compress/join-rows.ts";
import { keptCount } from "../../compress/kept-count.ts";
import type { CompressedRows, CompressionMethod } from "../../compress/method.ts";
import { planCompression } from "../../compress/plan.ts";
import { argmax } from "../../generate/sample.ts";
import type { SequenceStart } from "../../generate/sequences.ts";
import { contextLimit } from "../../models/config.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { type ErrorCode, isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import { divergence, type Teacher, teacherOf } from "../metrics/divergence.ts";
import { normalizeAnswer } from "../metrics/squad.ts";
import type { Task } from "../tasks/task.ts";
import { partsOf } from "./batches.ts";
import { type Condition, conditionName, hasBudget } from "./conditions.ts";
import type { KeptFile, KeptRows } from "./kept-file.ts";
import { promptOf } from "./prompt.ts";
import { type AskedQuestion, askedQuestions, type PassageTask, tokensNeeded } from "./question.ts";
import { type Asking, type Reading, readQuestions } from "./read-questions.ts";
import { conditionOf, type SampleRow } from "./sample-row.ts";

/** What all passages of a run share. */
export interface EvaluationSetup {
  readonly model: LanguageModel;
  readonly task: Pick<Task, "style" | "metrics" | "maxNewTokens">;
  readonly methods: ReadonlyMap<string, CompressionMethod>;
  readonly conditions: readonly Condition[];
  readonly sinks: number;
  readonly seed: number;
  /** Of an answer; null: as the task says. */
  readonly maxNewTokens: number | null;
  /** Of a gold answer, to compare predictions at. */
  readonly goldTokens: number;
  /** Tokens of a fold; undefined: in one piece. */
  readonly fold?: number;
  /** Where it is written what was kept. */
  readonly kept?: KeptFile;
  readonly signal?: AbortSignal;
}

/** Errors that one sample may run into; any other is a fault of the run and ends it. */
const SAMPLE_FAILURES: readonly ErrorCode[] = ["context-too-long", "out-of-memory", "engine", "not-finite"];

/** One word of the stream's name, so that other draws of the same seed are independent of these. */
const PASSAGE_STREAM = 2;

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
    pass.forgetCaches();
  }
}

/** What a condition made of a passage, or why it did not. */
interface MadeCache {
  readonly start?: SequenceStart;
  readonly failure?: KvDistillError;
  /** Of making it, for each question that it is put to. */
  readonly seconds: number;
}

interface PassageAsking extends Asking {
  readonly condition: Condition;
  readonly question: AskedQuestion;
  /** Of making the cache. */
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
  private readonly contexts = new Map<string, CompressionContext>();
  private readonly caches = new Map<string, Promise<MadeCache>>();
  private readonly teachers = new Map<number, Teacher>();

  constructor(setup: EvaluationSetup, task: PassageTask) {
    const { files } = setup.model;
    const { context, style = setup.task.style, maxNewTokens } = task.passage;
    const prompt = promptOf(files, style);
    this.setup = setup;
    this.task = task;
    this.contextIds = prompt.contextIds(context);
    this.questions = askedQuestions(task, { prompt, tokenizer: files.tokenizer, goldTokens: setup.goldTokens });
    this.maxNewTokens = answerLimit(setup.task, maxNewTokens, setup.maxNewTokens);
  }

  /** Conditions and questions that are read together, the full cache's first. */
  parts(): ReturnType<typeof partsOf<Condition>> {
    const { conditions, model } = this.setup;
    const all = conditions.some(({ method }) => method === "full") ? conditions : [FULL, ...conditions];
    return partsOf(all, this.questions, {
      config: model.config,
      maxNewTokens: this.maxNewTokens,
      rowsOf: (condition) => this.mostRows(condition),
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
        const { start, seconds, failure } = await this.cacheOf(condition, question);
        if (start !== undefined) {
          const maxNewTokens = answers ? this.maxNewTokens : 0;
          askings.push({ condition, question, start, seconds, maxNewTokens, answers });
        } else if (failure !== undefined && answers) rows.push(this.failedRow(question, condition, failure));
      }
    }
    return [...rows, ...(await this.measureTogether(askings))];
  }

  /** Forgets what the conditions made of the passage. */
  forgetCaches(): void {
    this.caches.clear();
  }

  /** What a condition makes of the passage; a question-aware method makes it for the question alone. */
  private cacheOf(condition: Condition, question: AskedQuestion): Promise<MadeCache> {
    const aware = this.setup.methods.get(condition.method)?.questionAware === true;
    const key = aware ? `${conditionName(condition)} ${question.sample}` : conditionName(condition);
    const known = this.caches.get(key);
    if (known !== undefined) return known;
    const sharers = aware ? 1 : this.questions.filter((one) => this.fits(one, condition)).length;
    const made = this.makeCache(condition, aware ? question : undefined, sharers);
    this.caches.set(key, made);
    return made;
  }

  private async makeCache(
    condition: Condition,
    question: AskedQuestion | undefined,
    sharers: number,
  ): Promise<MadeCache> {
    const begun = performance.now();
    try {
      const { layers } = await this.compressed(condition, question);
      const seconds = (performance.now() - begun) / 1000 / sharers;
      return { start: { layers, position: this.contextIds.length }, seconds };
    } catch (error) {
      return { failure: sampleFailure(error), seconds: 0 };
    }
  }

  private get limit(): number {
    return contextLimit(this.setup.model.config);
  }

  /** Rows that are in the cache when a question's longest answer ends. */
  private rowsNeeded(question: AskedQuestion, condition: Condition): number {
    // In one piece the context has to be read as a whole, whatever is kept of it.
    const whole = this.setup.fold === undefined || condition.method === "full";
    const rows = whole ? this.contextIds.length : this.budget(condition);
    return rows + tokensNeeded(question, this.maxNewTokens);
  }

  /** Rows of a condition's cache at most. */
  private mostRows(condition: Condition): number {
    const padded = this.setup.methods.get(condition.method)?.masked === true;
    return padded || condition.method === "full" ? this.contextIds.length : this.budget(condition);
  }

  private budget({ keep }: Condition): number {
    const { sinks } = this.setup;
    // Without a budget: the floor, which keeps the sinks.
    return keep === undefined ? Math.max(1, sinks) : keptCount(this.contextIds.length, keep, sinks);
  }

  private plan(fraction: number | undefined): ReturnType<typeof planCompression> {
    const { model, sinks, fold } = this.setup;
    const tokens = this.contextIds.length;
    const keep =
      fraction === undefined
        ? ({ kind: "tokens", value: Math.min(tokens, sinks + 1) } as const)
        : ({ kind: "fraction", value: fraction } as const);
    return planCompression(
      { tokens, span: { start: 0, end: tokens }, keep, sinks, foldTokens: fold },
      model.config,
      model.files.name,
    );
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

  private async compressed(condition: Condition, question: AskedQuestion | undefined): Promise<KeptRows> {
    const { kept, model } = this.setup;
    const rows: KeptRows =
      condition.method === "full" ? await this.whole().full() : await this.chosen(condition, question);
    await kept?.append(this.task.index, condition, {
      ...rows,
      sample: question?.sample,
      text: () => model.files.tokenizer.spans(this.contextIds),
    });
    return rows;
  }

  /** What a method keeps, of each fold its share. */
  private async chosen({ method: name, keep }: Condition, question: AskedQuestion | undefined): Promise<KeptRows> {
    const { model, methods, seed } = this.setup;
    const method = methods.get(name);
    if (method === undefined) throw new KvDistillError("bad-argument", "the run has no such method", { where: name });
    const { pieces } = this.plan(keep);
    // Methods without a budget look at the beginning alone.
    const folds = pieces.slice(0, hasBudget(name) ? undefined : 1).filter(({ count }) => count > 0);
    const parts: CompressedRows[] = [];
    for (const { start, end, count, sinks } of folds) {
      const rows = await method.compress({
        context: this.contextOf(start, end),
        count,
        sinks,
        // Other lots for every passage, the same for every budget of one.
        seed: randomFromSeed(seed, PASSAGE_STREAM, this.task.index).uint32(),
        ...(question === undefined ? {} : { questionIds: question.questionIds }),
      });
      if (pieces.length === 1) return rows;
      parts.push(placeRows(rows, start));
    }
    return joinParts(parts, model.config);
  }

  private whole(): CompressionContext {
    return this.contextOf(0, this.contextIds.length);
  }

  /** A stretch of the context; what is known of it is shared among methods and budgets. */
  private contextOf(start: number, end: number): CompressionContext {
    const { model, signal } = this.setup;
    const key = `${start}-${end}`;
    const known = this.contexts.get(key);
    if (known !== undefined) return known;
    const options = { position: start, ...(signal === undefined ? {} : { signal }) };
    const made = new CompressionContext(model, this.contextIds.slice(start, end), options);
    this.contexts.set(key, made);
    return made;
  }

  private async measureTogether(askings: readonly PassageAsking[]): Promise<SampleRow[]> {
    if (askings.length === 0) return [];
    const { model, signal } = this.setup;
    const begun = performance.now();
    try {
      const readings = await readQuestions(model, askings, signal);
      const read = askings.flatMap((asking, i) =>
        readings[i] === undefined ? [] : [{ asking, reading: readings[i] }],
      );
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
    const { numKvHeads, headDim } = this.setup.model.config;
    const written = this.setup.model.files.tokenizer.decode(reading.answerIds, { skipSpecial: true });
    const answer = written.trim();
    const teacher = this.teachers.get(asked.sample);
    const none = { forwardKl: null, top1: null, answerNll: null };
    const choice = likeliest(asked.letterIds, reading.goldLogits[0]);
    return {
      ...this.rowStart(asked, condition),
      rows: (start.layers[0]?.keys.length ?? 0) / (numKvHeads * headDim),
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
    return this.maxNewTokens === 0 ? {} : { empty: normalizeAnswer(answer) === "" ? 1 : 0 };
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

/** The error as one sample's failure. @throws the error itself when it is none */
function sampleFailure(error: unknown): KvDistillError {
  if (isKvDistillError(error) && SAMPLE_FAILURES.includes(error.code)) return error;
  throw error;
}
