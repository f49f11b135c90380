import { contextLimit } from "../models/config.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { LayerCache } from "../models/layer-cache.ts";
import { MASKED } from "../models/reading-bias.ts";
import { rotaryTables } from "../models/rotary.ts";
import { runStep } from "../models/run-step.ts";
import { asDType, ints, type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";

/** Tokens to read next on one branch. */
export interface BranchText {
  readonly branch: number;
  readonly ids: readonly number[];
  /** Logits are wanted of this token of `ids` and of those after it. */
  readonly logitsFrom: number;
}

/** Queries per engine call: bounds the score matrix. */
const CHUNK = 512;
/** Owner of rows that no branch reads any more. */
const FORGOTTEN = -1;

interface Token {
  readonly id: number;
  readonly branch: number;
  readonly position: number;
  readonly wanted: boolean;
  readonly text: number;
}

/**
 * Several texts that continue one cache, each as if it were the only one: every token sees the rows that were there before and those
 * of its own branch. They are read in one engine call, which costs little more than one of them: weights are the price of a
 * short step.
 */
export class Branches {
  private readonly model: LanguageModel;
  private readonly cache: LayerCache;
  private readonly trunk: { readonly rows: number; readonly position: number };
  /** Branch of every row after the trunk. */
  private readonly owners: number[] = [];
  private readonly lengths = new Map<number, number>();

  /** @param cache what all branches continue; nothing else may read it until `end` */
  constructor(model: LanguageModel, cache: LayerCache) {
    this.model = model;
    this.cache = cache;
    this.trunk = { rows: cache.length, position: cache.position };
  }

  /**
   * Appends tokens to branches; a branch that was not named before begins where the trunk ends.
   * @returns for each text the logits that it asked for, [vocabulary] each
   * @throws KvDistillError `context-too-long` when a branch would see more rows than the model reads, or have no position left; `cancelled`, and what the engine throws
   */
  async read(texts: readonly BranchText[], signal?: AbortSignal): Promise<Float32Array[][]> {
    const tokens = texts.flatMap((text, i) => this.tokensOf(text, i));
    const logits: Float32Array[][] = texts.map(() => []);
    for (let start = 0; start < tokens.length; start += CHUNK) {
      if (signal?.aborted === true) throw new KvDistillError("cancelled", "reading was cancelled");
      const chunk = tokens.slice(start, start + CHUNK);
      const wanted = chunk.flatMap((token, row) => (token.wanted ? [row] : []));
      const rows = await this.step(chunk, wanted);
      wanted.forEach((row, i) => logits[chunk[row]?.text ?? 0]?.push(rows[i] ?? new Float32Array()));
    }
    return logits;
  }

  /** Takes the newest `count` tokens of a branch back. Their rows stay reserved until `end`, unseen. */
  forget(branch: number, count: number): void {
    let left = count;
    for (let row = this.owners.length - 1; row >= 0 && left > 0; row--) {
      if (this.owners[row] !== branch) continue;
      this.owners[row] = FORGOTTEN;
      left--;
    }
    this.lengths.set(branch, this.lengthOf(branch) - count);
  }

  /** Takes all branches back: the cache is as it was. */
  end(): void {
    this.cache.truncate(this.trunk.rows, this.trunk.position);
    this.owners.length = 0;
    this.lengths.clear();
  }

  private lengthOf(branch: number): number {
    return this.lengths.get(branch) ?? 0;
  }

  private tokensOf({ branch, ids, logitsFrom }: BranchText, text: number): Token[] {
    const start = this.trunk.position + this.lengthOf(branch);
    const { config } = this.model;
    const limit = contextLimit(config);
    // Rotary positions have no end: what counts is how many rows are seen.
    const used = this.lengthOf(branch) + (config.family === "gpt2" ? this.trunk.position : this.trunk.rows);
    if (used + ids.length > limit) {
      throw new KvDistillError("context-too-long", "more tokens than the model reads", {
        where: this.model.files.name,
        expected: `at most ${limit} tokens`,
        got: String(used + ids.length),
      });
    }
    this.lengths.set(branch, this.lengthOf(branch) + ids.length);
    return ids.map((id, i) => ({ id, branch, position: start + i, wanted: i >= logitsFrom, text }));
  }

  private async step(chunk: readonly Token[], wanted: readonly number[]): Promise<Float32Array[]> {
    const { config } = this.model;
    await this.cache.reserve(this.cache.length + chunk.length);
    const positions = chunk.map(({ position }) => position);
    const { logits } = await runStep({
      program: await this.model.stepProgram({
        result: wanted.length > 0 ? "logits" : "none",
        ...(this.cache.masked ? { masked: true } : {}),
      }),
      config,
      ids: chunk.map(({ id }) => id),
      cache: this.cache,
      layers: config.numLayers,
      extra: {
        positions: ints([chunk.length], positions),
        bias: this.bias(chunk),
        logitRows: ints([wanted.length], wanted),
        ...(config.family === "llama" ? rotaryTables(config, positions) : {}),
      },
    });
    this.owners.push(...chunk.map(({ branch }) => branch));
    if (logits === undefined) return [];
    const { data } = asDType(logits, "float32");
    return wanted.map((_, i) => data.slice(i * config.vocabSize, (i + 1) * config.vocabSize));
  }

  /** Who sees whom, [1, 1, chunk, capacity + chunk]. */
  private bias(chunk: readonly Token[]): Tensor<"float32"> {
    const { capacity } = this.cache;
    const width = capacity + chunk.length;
    const bias = new Float32Array(chunk.length * width);
    chunk.forEach(({ branch }, i) => {
      const row = bias.subarray(i * width, (i + 1) * width).fill(MASKED, this.trunk.rows);
      this.owners.forEach((owner, at) => {
        if (owner === branch) row[this.trunk.rows + at] = 0;
      });
      for (let at = 0; at <= i; at++) if (chunk[at]?.branch === branch) row[capacity + at] = 0;
    });
    return tensor("float32", [1, 1, chunk.length, width], bias);
  }
}
