import { compressPiece, pieceContext } from "../../compress/compress-piece.ts";
import type { CompressionContext } from "../../compress/context.ts";
import { foldingOf } from "../../compress/fold.ts";
import { joinParts } from "../../compress/join-rows.ts";
import { keptCount } from "../../compress/kept-count.ts";
import type { CompressedRows } from "../../compress/method.ts";
import { nextPosition } from "../../compress/next-position.ts";
import { type Piece, planCompression } from "../../compress/plan.ts";
import type { SequenceStart } from "../../generate/sequences.ts";
import type { HostLayer } from "../../models/host-layer.ts";
import { KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import { SHORT_CACHE } from "./batches.ts";
import { type Condition, conditionName, hasBudget } from "./conditions.ts";
import type { EvaluationSetup } from "./evaluation-setup.ts";
import type { KeptRows } from "./kept-file.ts";
import type { AskedQuestion } from "./question.ts";
import { sampleFailure } from "./sample-failure.ts";

/** One word of the stream's name, so that other draws of the same seed are independent of these. */
const PASSAGE_STREAM = 2;

/** What a condition made of a passage, or why it did not. */
export interface MadeCache {
  readonly start?: SequenceStart;
  readonly failure?: KvDistillError;
  readonly seconds: number;
}

/** The caches that conditions make of one passage, each once. */
export class PassageCaches {
  private readonly setup: EvaluationSetup;
  private readonly index: number;
  private readonly contextIds: readonly number[];
  private readonly contexts = new Map<string, CompressionContext>();
  private readonly made = new Map<string, Promise<MadeCache>>();
  /** All rows as the model read them, in one piece or in folds. */
  private allRows: readonly HostLayer[] | undefined;

  /** @param index place of the passage in the run */
  constructor(setup: EvaluationSetup, index: number, contextIds: readonly number[]) {
    this.setup = setup;
    this.index = index;
    this.contextIds = contextIds;
  }

  /** Rows that a condition asks for. */
  budget({ keep }: Condition): number {
    const { sinks } = this.setup;
    // Without a budget: the floor, which keeps the sinks.
    return keep === undefined ? Math.max(1, sinks) : keptCount(this.contextIds.length, keep, sinks);
  }

  /** Rows of a condition's cache, mean over its heads. */
  rowsOf(condition: Condition): number {
    return condition.method === "full" ? this.contextIds.length : this.budget(condition);
  }

  /**
   * Caches of one family are read side by side without much padding: those whose heads have equally many rows, and those that one method makes
   * whose heads do not. A larger budget of such a method gives every head as many rows as a smaller one, or more; all rows are the full cache.
   * Of short contexts all whose heads differ are one family.
   */
  familyOf(condition: Condition): string {
    const { method } = condition;
    const tokens = this.contextIds.length;
    const ragged = this.setup.methods.get(method)?.ragged === true && this.budget(condition) < tokens;
    if (!ragged) return "uniform";
    return tokens <= SHORT_CACHE ? "ragged" : method;
  }

  /**
   * The cache that a condition reads. What everything is chosen by makes no difference, where it is chosen from the full reading: that is the full
   * cache, or what folds make of it.
   */
  cacheOf(condition: Condition): string {
    if (condition.method === "full") return conditionName(condition);
    const whole = this.setup.fold === undefined ? "full" : "full, in folds";
    return this.takesAll(condition) ? whole : conditionName(condition);
  }

  private takesAll(condition: Condition): boolean {
    const chooses = this.setup.methods.get(condition.method)?.ownReading !== true;
    return chooses && hasBudget(condition.method) && this.budget(condition) >= this.contextIds.length;
  }

  /** Whether a condition makes a cache for each question. */
  isQuestionAware({ method }: Condition): boolean {
    return this.setup.methods.get(method)?.questionAware === true;
  }

  /** What a condition makes of the passage; a question-aware method makes it for the question alone. */
  of(condition: Condition, question: AskedQuestion): Promise<MadeCache> {
    const aware = this.isQuestionAware(condition);
    const key = aware ? `${conditionName(condition)} ${question.sample}` : conditionName(condition);
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const made = this.make(condition, aware ? question : undefined);
    this.made.set(key, made);
    return made;
  }

  /** Forgets the caches, not what is known of the passage. */
  forget(): void {
    this.made.clear();
    this.allRows = undefined;
  }

  private async make(condition: Condition, question: AskedQuestion | undefined): Promise<MadeCache> {
    const begun = performance.now();
    try {
      const { layers: made } = await this.compressed(condition, question);
      const layers = this.takesAll(condition) ? (this.allRows ??= made) : made;
      const method = this.setup.methods.get(condition.method);
      const position = nextPosition(method, this.contextIds.length, this.rowsOf(condition));
      const start = { layers, position };
      return { start, seconds: (performance.now() - begun) / 1000 };
    } catch (error) {
      return { failure: sampleFailure(error), seconds: 0 };
    }
  }

  private async compressed(condition: Condition, question: AskedQuestion | undefined): Promise<KeptRows> {
    const { kept, model } = this.setup;
    const rows: KeptRows =
      condition.method === "full" ? await this.whole().full() : await this.chosen(condition, question);
    await kept?.append(this.index, condition, {
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
    for (const piece of folds) {
      const rows = await compressPiece(method, this.contextOf(piece), piece, {
        // Other lots for every passage, the same for every budget of one.
        seed: randomFromSeed(seed, PASSAGE_STREAM, this.index).uint32(),
        ...(question === undefined ? {} : { questionIds: question.questionIds }),
      });
      parts.push(rows);
    }
    return joinParts(parts, model.config);
  }

  private whole(): CompressionContext {
    return this.contextOf({ start: 0, end: this.contextIds.length, lead: 0 });
  }

  /** A stretch of the context; what is known of it is shared among methods and budgets. */
  private contextOf(piece: Pick<Piece, "start" | "end" | "lead">): CompressionContext {
    const { model, signal } = this.setup;
    const key = `${piece.start}-${piece.end}`;
    const known = this.contexts.get(key);
    if (known !== undefined) return known;
    const made = pieceContext(model, this.contextIds, piece, signal === undefined ? {} : { signal });
    this.contexts.set(key, made);
    return made;
  }

  private plan(fraction: number | undefined): ReturnType<typeof planCompression> {
    const { model, sinks, fold, foldCut } = this.setup;
    const tokens = this.contextIds.length;
    const keep =
      fraction === undefined
        ? ({ kind: "tokens", value: Math.min(tokens, sinks + 1) } as const)
        : ({ kind: "fraction", value: fraction } as const);
    return planCompression(
      { tokens, span: { start: 0, end: tokens }, keep, sinks, folding: foldingOf(fold, foldCut) },
      model.config,
      model.files.name,
    );
  }
}
