import type { Graph } from "../graph/graph.ts";
import { writeOnnx } from "../graph/onnx/writer.ts";
import type { Program, Resident, Runtime } from "../runtime/runtime.ts";
import { asDType, ints, type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import { type ModelConfig, contextLimit } from "./config.ts";
import { externalWeights } from "./external-weights.ts";
import { LayerCache } from "./layer-cache.ts";
import type { LoadedLora } from "./loaded-lora.ts";
import type { ModelFiles } from "./model-files.ts";
import { pickFeeds, residentOf } from "../runtime/feeding.ts";
import { readingBias } from "./reading-bias.ts";
import { rotaryTables } from "./rotary.ts";
import { stepGraph, type StepGraphOptions } from "./step-graph.ts";

/** Queries per engine call: bounds the score matrix, and columns after a chunk are never computed. */
const CHUNK = 512;

export interface ForwardRequest {
  readonly ids: ArrayLike<number>;
  readonly cache: LayerCache;
  /** Rows of logits to compute, as indices into `ids`; none by default. */
  readonly logitRows?: readonly number[];
  /** Adapters to encode with, and for each id whether query and output adapters act on it. */
  readonly adapter?: { readonly lora: LoadedLora; readonly routed: Float32Array };
  readonly signal?: AbortSignal;
}

/** A model's weights, its compiled graphs, and the runtime that they live in. */
export class LanguageModel {
  readonly files: ModelFiles;
  readonly runtime: Runtime;
  private readonly programs = new Map<string, Promise<Program>>();

  constructor(files: ModelFiles, runtime: Runtime) {
    this.files = files;
    this.runtime = runtime;
  }

  get config(): ModelConfig {
    return this.files.config;
  }

  newCache(rows?: number): Promise<LayerCache> {
    return LayerCache.empty(this.runtime, this.config, rows);
  }

  /**
   * Reads tokens on top of a cache, appends their rows to it, and returns logits [logitRows, vocabulary].
   * @throws KvDistillError `context-too-long` when positions would pass the model's limit, `bad-argument` for an id outside the vocabulary.
   */
  async forward({ ids, cache, logitRows = [], adapter, signal }: ForwardRequest): Promise<Tensor<"float32">> {
    this.checkIds(ids, cache.position);
    const { vocabSize } = this.config;
    const logits = new Float32Array(logitRows.length * vocabSize);
    for (let start = 0; start < ids.length; start += CHUNK) {
      signal?.throwIfAborted();
      const end = Math.min(start + CHUNK, ids.length);
      const wanted = logitRows.flatMap((row, slot) => (row >= start && row < end ? [{ row: row - start, slot }] : []));
      const result = wanted.length > 0 ? "logits" : "none";
      const shape = adapter === undefined ? {} : { adapter: adapter.lora.shape };
      const program = await this.program({ result, ...shape });
      const chunk = Array.prototype.slice.call(ids, start, end) as number[];
      const outputs = await this.step(program, chunk, cache, this.config.numLayers, {
        ...(wanted.length > 0
          ? {
              logitRows: ints(
                [wanted.length],
                wanted.map(({ row }) => row),
              ),
            }
          : {}),
        ...(adapter === undefined
          ? {}
          : {
              ...adapter.lora.residents,
              routed: tensor("float32", [end - start, 1], adapter.routed.slice(start, end)),
            }),
      });
      const rows = outputs.logits;
      if (rows === undefined) continue;
      const { data } = asDType(rows, "float32");
      wanted.forEach(({ slot }, i) => { logits.set(data.subarray(i * vocabSize, (i + 1) * vocabSize), slot * vocabSize); });
    }
    return tensor("float32", [logitRows.length, vocabSize], logits);
  }

  /**
   * Residual stream after the first `layers` blocks of the frozen model, [ids, hidden].
   * @throws KvDistillError as `forward` does.
   */
  async hiddenAfter(
    layers: number,
    ids: ArrayLike<number>,
    firstPosition = 0,
    signal?: AbortSignal,
  ): Promise<Tensor<"float32">> {
    this.checkIds(ids, firstPosition);
    const { hiddenSize } = this.config;
    const hidden = new Float32Array(ids.length * hiddenSize);
    const cache = await this.newCache(ids.length);
    cache.truncate(0, firstPosition);
    try {
      const program = await this.program({ layers, result: "hidden" });
      for (let start = 0; start < ids.length; start += CHUNK) {
        signal?.throwIfAborted();
        const chunk = Array.prototype.slice.call(ids, start, start + CHUNK) as number[];
        const { hidden: rows } = await this.step(program, chunk, cache, layers, {});
        if (rows !== undefined) hidden.set(asDType(rows, "float32").data, start * hiddenSize);
      }
    } finally {
      cache.release();
    }
    return tensor("float32", [ids.length, hiddenSize], hidden);
  }

  /** Compiles a graph against this model's weights, once per key. */
  compile(key: string, build: () => Graph): Promise<Program> {
    const known = this.programs.get(key);
    if (known !== undefined) return known;
    const { weights, folder } = externalWeights(this.files);
    const made = Promise.resolve().then(() =>
      this.runtime.load({ bytes: writeOnnx(build(), weights), weightsFolder: folder }),
    );
    this.programs.set(key, made);
    return made;
  }

  async close(): Promise<void> {
    await this.runtime.close();
  }

  private program(options: StepGraphOptions): Promise<Program> {
    return this.compile(JSON.stringify(options), () => stepGraph(this.config, options));
  }

  /** One call of a step graph; the new rows go to the cache, other outputs come back. */
  private async step(
    program: Program,
    ids: readonly number[],
    cache: LayerCache,
    layers: number,
    extra: Readonly<Record<string, Tensor | Resident>>,
  ): Promise<Readonly<Record<string, Tensor>>> {
    await cache.reserve(cache.length + ids.length);
    const positions = ids.map((_, i) => cache.position + i);
    const feeds: Record<string, Tensor | Resident> = {
      ids: ints([ids.length], ids),
      positions: ints([ids.length], positions),
      bias: readingBias(ids.length, cache.length, cache.capacity),
      ...extra,
    };
    if (this.config.family === "llama") {
      Object.assign(feeds, rotaryTables(this.config, positions), {
        rotaryRows: ints(
          [1, ids.length],
          positions.map((_, i) => i),
        ),
      });
    }
    const names: string[] = [];
    for (let i = 0; i < layers; i++) {
      const { keys, values } = cache.layer(i);
      feeds[`layers.${i}.past.keys`] = keys;
      feeds[`layers.${i}.past.values`] = values;
      names.push(`layers.${i}.keys`, `layers.${i}.values`);
    }
    const { residents, outputs } = await program.runKeeping(pickFeeds(program, feeds), names);
    const own = Array.from({ length: layers }, (_, i) => ({
      keys: residentOf(residents, `layers.${i}.keys`),
      values: residentOf(residents, `layers.${i}.values`),
    }));
    await cache.append(own, ids.length);
    return outputs;
  }

  private checkIds(ids: ArrayLike<number>, firstPosition: number): void {
    const limit = contextLimit(this.config);
    if (firstPosition + ids.length > limit) {
      throw new KvDistillError("context-too-long", "more tokens than the model reads", {
        where: this.files.name,
        expected: `at most ${limit} positions`,
        got: `${firstPosition + ids.length}`,
        hint: "shorten the text, or compress it by folding (--fold)",
      });
    }
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? NaN;
      if (!Number.isInteger(id) || id < 0 || id >= this.config.vocabSize) {
        throw new KvDistillError("bad-argument", "token id outside the vocabulary", {
          where: `ids[${i}]`,
          expected: `a whole number from 0 to ${this.config.vocabSize - 1}`,
          got: String(id),
        });
      }
    }
  }
}
