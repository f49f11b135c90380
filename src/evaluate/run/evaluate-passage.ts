import { CompressionContext } from "../../compress/context.ts";
import { joinParts, placeRows } from "../../compress/join-rows.ts";
import { keptCount } from "../../compress/kept-count.ts";
import type { CompressedRows, CompressionMethod } from "../../compress/method.ts";
import { planCompression } from "../../compress/plan.ts";
import { argmax } from "../../generate/sample.ts";
import { contextLimit } from "../../models/config.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { LayerCache } from "../../models/layer-cache.ts";
import { type ErrorCode, isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import { divergence, type Teacher, teacherOf } from "../metrics/divergence.ts";
import { normalizeAnswer } from "../metrics/squad.ts";
import type { Task } from "../tasks/task.ts";
import { type Condition, hasBudget } from "./conditions.ts";
import type { KeptFile, KeptRows } from "./kept-file.ts";
import { promptOf } from "./prompt.ts";
import { type AskedQuestion, askedQuestions, groupQuestions, type PassageTask, tokensNeeded } from "./question.ts";
import { type Reading, readQuestions } from "./read-questions.ts";
import type { SampleRow } from "./sample-row.ts";

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
 * Measures every condition on the questions of one passage. The passage is read once in full; each condition then compresses it once and
 * reads all questions from that cache (a question-aware method: once for each question); no more than one condition's cache is held where
 * the model runs. Rows come in batches, a batch being one condition on questions that are read together. What failed comes as rows that
 * say so.
 * @param wanted which rows are still to be made; batches are computed whole all the same, so that results do not depend on it
 * @throws KvDistillError `cancelled`, and for faults that are not one sample's
 */
export async function* evaluatePassage(
  setup: EvaluationSetup,
  task: PassageTask,
  wanted: (sample: number, condition: Condition) => boolean,
): AsyncGenerator<SampleRow[], void, undefined> {
  const pass = new PassageRun(setup, task);
  const left = (condition: Condition, rows: readonly SampleRow[]): SampleRow[] =>
    rows.filter(({ sample }) => wanted(sample, condition));
  const anyWanted = (group: readonly AskedQuestion[], conditions: readonly Condition[]): boolean =>
    group.some(({ sample }) => conditions.some((condition) => wanted(sample, condition)));

  for (const condition of setup.conditions) {
    const rows = left(condition, pass.tooLong(condition));
    if (rows.length > 0) yield rows;
  }
  const open = (condition: Condition): AskedQuestion[][] =>
    pass.groups(condition).filter((group) => anyWanted(group, [condition]));
  const pending = setup.conditions.filter((condition) => open(condition).length > 0);

  // The full cache is read first, whether it is asked for or not: the others are compared with it.
  const compared = pass.groups(FULL).filter((group) => anyWanted(group, pending));
  const answered = pending.some(({ method }) => method === "full");
  for await (const rows of pass.measure(FULL, compared, answered)) {
    const own = left(FULL, rows);
    if (own.length > 0) yield own;
  }
  for (const condition of pending.filter(({ method }) => method !== "full")) {
    for await (const rows of pass.measure(condition, open(condition), true)) {
      const own = left(condition, rows);
      if (own.length > 0) yield own;
    }
  }
}

/** One passage while its conditions are measured. */
class PassageRun {
  private readonly setup: EvaluationSetup;
  private readonly task: PassageTask;
  private readonly contextIds: readonly number[];
  private readonly questions: readonly AskedQuestion[];
  private readonly maxNewTokens: number;
  private readonly contexts = new Map<string, CompressionContext>();
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

  /** The questions that a condition can read, in groups. */
  groups(condition: Condition): AskedQuestion[][] {
    return groupQuestions(this.questions.filter((one) => this.rowsNeeded(one, condition) <= this.limit));
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
   * Rows of one condition, group by group.
   * @param answer false to read the gold answers of the full cache alone: no rows then
   */
  async *measure(
    condition: Condition,
    groups: readonly (readonly AskedQuestion[])[],
    answer: boolean,
  ): AsyncGenerator<SampleRow[], void, undefined> {
    const aware = this.setup.methods.get(condition.method)?.questionAware === true;
    const caches = aware ? groups.flat().map((one) => [[one]]) : groups.length > 0 ? [groups] : [];
    for (const own of caches) yield* this.measureOn(condition, own, answer, aware);
  }

  /** Rows of the groups that read one cache. */
  private async *measureOn(
    condition: Condition,
    groups: readonly (readonly AskedQuestion[])[],
    answer: boolean,
    aware: boolean,
  ): AsyncGenerator<SampleRow[], void, undefined> {
    const begun = performance.now();
    const count = groups.reduce((sum, group) => sum + group.length, 0);
    let cache: LayerCache;
    try {
      cache = await this.compressed(condition, aware ? groups[0]?.[0] : undefined);
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

  private get limit(): number {
    return contextLimit(this.setup.model.config);
  }

  /** Rows that are in the cache when a question's longest answer ends. */
  private rowsNeeded(question: AskedQuestion, { method, keep }: Condition): number {
    const tokens = this.contextIds.length;
    // In one piece the context has to be read as a whole, whatever is kept of it.
    const whole = this.setup.fold === undefined || method === "full";
    const { sinks } = this.setup;
    // Without a budget and not full: the floor, which keeps the sinks.
    const rows = whole ? tokens : keep === undefined ? Math.max(1, sinks) : keptCount(tokens, keep, sinks);
    return rows + tokensNeeded(question, this.maxNewTokens);
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

  private async compressed(condition: Condition, question: AskedQuestion | undefined): Promise<LayerCache> {
    const { kept, model } = this.setup;
    const rows: KeptRows =
      condition.method === "full" ? await this.whole().full() : await this.chosen(condition, question);
    await kept?.append(this.task.index, condition, {
      ...rows,
      sample: question?.sample,
      text: () => model.files.tokenizer.spans(this.contextIds),
    });
    return LayerCache.from(model.runtime, model.config, rows.layers, this.contextIds.length);
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

  private async measureGroup(
    condition: Condition,
    cache: LayerCache,
    group: readonly AskedQuestion[],
    answer: boolean,
    compressSeconds: number,
  ): Promise<SampleRow[]> {
    const { model, signal } = this.setup;
    const begun = performance.now();
    const rows = cache.length;
    try {
      const readings = await readQuestions(model, cache, group, {
        maxNewTokens: answer ? this.maxNewTokens : 0,
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

  private row(asked: AskedQuestion, condition: Condition, rows: number, reading: Reading): SampleRow {
    const written = this.setup.model.files.tokenizer.decode(reading.answerIds, { skipSpecial: true });
    const answer = written.trim();
    const teacher = this.teachers.get(asked.sample);
    const none = { forwardKl: null, top1: null, answerNll: null };
    const choice = likeliest(asked.letterIds, reading.goldLogits[0]);
    return {
      ...this.rowStart(asked, condition),
      rows,
      answer,
      newTokens: reading.answerIds.length,
      finish: this.maxNewTokens === 0 ? "none" : reading.finish,
      ...(choice === undefined ? {} : { choice }),
      ...asked.question.score({ answer, written, choice }),
      ...this.emptiness(answer),
      ...(teacher === undefined ? none : divergence(teacher, reading.goldLogits, asked.answerIds)),
      answerTokens: asked.answerIds.length,
      seconds: 0,
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
