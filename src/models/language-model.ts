import type { Graph } from "../graph/graph.ts";
import { writeOnnx } from "../graph/onnx/writer.ts";
import type { Program } from "../runtime/program.ts";
import type { OnnxProgram, Runtime } from "../runtime/runtime-over.ts";
import { asDType, type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import { contextLimit, type ModelConfig } from "./config.ts";
import { externalWeights } from "./external-weights.ts";
import { hasFusedAttention } from "./fused-attention.ts";
import { LayerCache } from "./layer-cache.ts";
import type { LoadedLora } from "./loaded-lora.ts";
import { type ModelFiles, weightBytes } from "./model-files.ts";
import { eightBitGraph } from "./precision/eight-bit-graph.ts";
import { type Precision, SHORT_STEP } from "./precision/precision.ts";
import type { QuantisedWeights } from "./precision/quantised-copy.ts";
import { quantisedGraph } from "./precision/quantised-graph.ts";
import type { CacheBase } from "./cache-base.ts";
import { runStep, type StepCall } from "./run-step.ts";
import { type AttentionReduction, stepGraph, type StepGraphOptions } from "./step-graph.ts";

/**
 * Queries per engine call: the scores of a chunk fit the processor's caches, and keys after a chunk are never multiplied. 2,048 tokens
 * of SmolLM2 take 23 CPU seconds in chunks of 512 on a cache that was reserved at once, 15 in chunks of 256 on one that grows.
 */
const CHUNK = 256;

/**
 * Tokens from which on the fused attention kernel reads: it skips what is masked, but copies the rows that are there and costs one more compiled
 * graph. One token on 2,048 rows takes it twice as long, 64 a tenth less, 256 on 2,048 two thirds (docs/experiments/LOG.md, E18).
 */
export const FUSED_FROM = 64;

/**
 * Bytes of weights up to which graphs for many short steps have a packed copy of their own. Packing anew at every step is a sixth of one of 20 to 80
 * sequences (docs/experiments/LOG.md, E37); larger models would not fit into memory twice.
 */
const PACKED_UP_TO = 2 ** 31;

/** Adapters to encode with. */
export interface EncodingAdapter {
  readonly lora: LoadedLora;
  /** For each id 1 where the query and output adapters act on it, else 0. */
  readonly routed: Float32Array;
  /** What every update is multiplied by; 1 when left out. */
  readonly strength?: number;
}

export interface ForwardRequest {
  readonly ids: readonly number[];
  readonly cache: LayerCache;
  /** Rows of logits to compute, as indices into `ids`; none by default. */
  readonly logitRows?: readonly number[];
  readonly adapter?: EncodingAdapter;
  /** Who looks at the queries while they are there. */
  readonly queries?: QueryObserver;
  readonly signal?: AbortSignal;
}

/** Sees mean and scatter of every chunk's queries, as a step graph with `queryStatistics` gives them. */
export interface QueryObserver {
  /** The step graph's inputs `counted` and `share` for a chunk of `count` tokens, the first of which is `start` of those that are read. */
  inputs(start: number, count: number): Readonly<Record<string, Tensor>>;
  see(outputs: Readonly<Record<string, Tensor>>): void;
}

/** Lets a model's engine calls happen one at a time, between others'. */
export interface Pace {
  /** Tokens of one call at most. */
  readonly tokens: number;
  /** Makes a call that reads so many tokens, when it is its turn. */
  turn<T>(tokens: number, call: () => Promise<T>): Promise<T>;
}

/** A model's weights, its compiled graphs, and the runtime that they live in. */
export class LanguageModel {
  readonly files: ModelFiles;
  readonly runtime: Runtime;
  private readonly quantised: QuantisedWeights | undefined;
  private readonly pace: Pace | undefined;
  private readonly programs = new Map<string, Promise<Program>>();

  /**
   * @param quantised weights that steps are computed with; left out: all is float32
   * @param pace when calls are made; left out: at once
   */
  constructor(files: ModelFiles, runtime: Runtime, quantised?: QuantisedWeights, pace?: Pace) {
    this.files = files;
    this.runtime = runtime;
    this.quantised = quantised;
    this.pace = pace;
  }

  /** The same weights where they run, under another name. */
  as(name: string, pace: Pace): LanguageModel {
    return new LanguageModel({ ...this.files, name }, this.runtime, this.quantised, pace);
  }

  get precision(): Precision {
    return this.quantised?.precision ?? "fp32";
  }

  get config(): ModelConfig {
    return this.files.config;
  }

  /** An empty cache, whose first token will stand at `position`; it grows as needed. */
  newCache(position?: number): Promise<LayerCache> {
    return LayerCache.empty(this.runtime, this.config, position);
  }

  /**
   * Reads tokens on top of a cache, appends their rows to it, and returns logits [logitRows, vocabulary].
   * @throws KvDistillError `context-too-long` when positions would pass the model's limit, `bad-argument` for an id outside the vocabulary.
   */
  async forward({ ids, cache, logitRows = [], adapter, queries, signal }: ForwardRequest): Promise<Tensor<"float32">> {
    this.checkReading(ids, cache);
    const { vocabSize, numLayers } = this.config;
    const logits = new Float32Array(logitRows.length * vocabSize);
    const fused = await this.fusedFor(ids.length, cache);
    for (const { start, chunk } of this.chunksOf(ids, signal, cache.base)) {
      const wanted = logitRows.flatMap((row, slot) => {
        const local = row - start;
        return local >= 0 && local < chunk.length ? [{ local, slot }] : [];
      });
      const shape = {
        ...(adapter === undefined ? {} : { adapter: adapter.lora.shape }),
        ...(cache.base === undefined ? {} : { base: cache.base.shape }),
        ...(queries === undefined ? {} : { queryStatistics: true }),
        ...fused,
      };
      const outputs = await this.step({
        program: await this.readingProgram({ result: wanted.length > 0 ? "logits" : "none", ...shape }, ids.length),
        config: this.config,
        ids: chunk,
        cache,
        layers: numLayers,
        logitRows: wanted.map(({ local }) => local),
        extra: {
          ...adapter?.lora.residents,
          ...(adapter === undefined ? {} : strengths(adapter, start, chunk.length)),
          ...queries?.inputs(start, chunk.length),
        },
      });
      queries?.see(outputs);
      const rows = outputs.logits;
      if (rows === undefined) continue;
      const { data } = asDType(rows, "float32");
      wanted.forEach(({ slot }, i) => {
        logits.set(data.subarray(i * vocabSize, (i + 1) * vocabSize), slot * vocabSize);
      });
    }
    return tensor("float32", [logitRows.length, vocabSize], logits);
  }

  /**
   * Residual stream after the first `layers` blocks of the frozen model, [ids, hidden].
   * @throws KvDistillError as `forward` does.
   */
  async hiddenAfter(
    layers: number,
    ids: readonly number[],
    { position = 0, signal }: { readonly position?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Tensor<"float32">> {
    const { hiddenSize } = this.config;
    const hidden = new Float32Array(ids.length * hiddenSize);
    // Blocks that are not computed need no rows.
    const cache = await LayerCache.empty(this.runtime, { ...this.config, numLayers: layers }, position);
    this.checkReading(ids, cache);
    try {
      const program = await this.stepProgram({ layers, result: "hidden", ...(await this.fusedFor(ids.length, cache)) });
      for (const { start, chunk } of this.chunksOf(ids, signal)) {
        const outputs = await this.step({ program, config: this.config, ids: chunk, cache, layers, extra: {} });
        const rows = outputs.hidden;
        if (rows !== undefined) hidden.set(asDType(rows, "float32").data, start * hiddenSize);
      }
    } finally {
      cache.release();
    }
    return tensor("float32", [ids.length, hiddenSize], hidden);
  }

  /**
   * Attention that every token receives while the frozen model reads `ids` on top of a cache: for every layer [kvHeads, rows], rows being
   * those of the cache and then `ids`; summed or the largest over all new queries and the query heads of a group. The cache grows by `ids`.
   * @param among 1 for the rows of the cache, and then of `ids`, that the attention is shared among, 0 for the others: as if those were
   * not there. `ids` themselves must be among them. The model reads them all the same.
   * @throws KvDistillError as `forward` does.
   */
  async attentionReceived(
    ids: readonly number[],
    cache: LayerCache,
    reduction: AttentionReduction,
    signal?: AbortSignal,
    among?: Float32Array,
  ): Promise<Float32Array[]> {
    this.checkReading(ids, cache);
    const { numLayers, numKvHeads } = this.config;
    const rows = cache.length + ids.length;
    const received = Array.from({ length: numLayers }, () => new Float32Array(numKvHeads * rows));
    const program = await this.stepProgram({
      result: "none",
      attention: reduction,
      ...(among === undefined ? {} : { among: true }),
    });
    const join = reduction === "sum" ? (a: number, b: number) => a + b : Math.max;
    for (const { chunk } of this.chunksOf(ids, signal)) {
      const used = cache.length;
      await cache.reserve(used + chunk.length);
      const { capacity } = cache;
      const extra: Record<string, Tensor> = {};
      if (among !== undefined) {
        const columns = new Float32Array(capacity + chunk.length);
        columns.set(among.subarray(0, used));
        columns.set(among.subarray(used, used + chunk.length), capacity);
        extra.among = tensor("float32", [columns.length], columns);
      }
      const outputs = await this.step({ program, config: this.config, ids: chunk, cache, layers: numLayers, extra });
      received.forEach((own, layer) => {
        const part = outputs[`layers.${layer}.attention`];
        if (part === undefined) return;
        const { data } = asDType(part, "float32");
        const width = capacity + chunk.length;
        for (let head = 0; head < numKvHeads; head++) {
          // Reserved rows lie between those in use and the new ones.
          const take = (target: number, source: number): void => {
            const at = head * rows + target;
            own[at] = join(own[at] ?? 0, data[head * width + source] ?? 0);
          };
          for (let i = 0; i < used; i++) take(i, i);
          chunk.forEach((_, i) => {
            take(used + i, capacity + i);
          });
        }
      });
    }
    return received;
  }

  /** Stretches of a text that one engine call reads. @throws KvDistillError `cancelled` */
  *chunksOf(
    ids: readonly number[],
    signal?: AbortSignal,
    base?: CacheBase,
  ): Generator<{ readonly start: number; readonly chunk: readonly number[] }> {
    const size = Math.min(this.pace?.tokens ?? CHUNK, base?.mostTokens ?? CHUNK);
    for (let start = 0; start < ids.length; start += size) {
      if (signal?.aborted === true) throw new KvDistillError("cancelled", "reading was cancelled");
      yield { start, chunk: ids.slice(start, start + size) };
    }
  }

  /**
   * The option of step graphs by which so many tokens are best read on top of a cache. Where it is the fused kernel there is room for all of them
   * then: the kernel passes over rows that are only reserved, and growing would copy those before.
   */
  async fusedFor(tokens: number, cache: LayerCache): Promise<Pick<StepGraphOptions, "fused">> {
    const isForOne = cache.base === undefined && cache.sequences === 1;
    const hasKernel = hasFusedAttention(this.config, this.runtime.device);
    if (!isForOne || !hasKernel || tokens < FUSED_FROM) return {};
    await cache.reserve(cache.length + tokens);
    return { fused: true };
  }

  /** One engine call of a step graph, as `runStep`, when it is its turn. */
  step(call: StepCall): Promise<Readonly<Record<string, Tensor>>> {
    return this.pace === undefined ? runStep(call) : this.pace.turn(call.ids.length, () => runStep(call));
  }

  /** Compiles a graph against this model's weights, once per key. */
  compile(key: string, build: () => Graph, { prepack = false }: Pick<OnnxProgram, "prepack"> = {}): Promise<Program> {
    return this.compiled(key, () => {
      const { weights, where } = externalWeights(this.files);
      const graph = build();
      return this.runtime.load({ name: graph.name, bytes: writeOnnx(graph, weights), ...where, prepack });
    });
  }

  private compiled(key: string, load: () => Promise<Program>): Promise<Program> {
    const known = this.programs.get(key);
    if (known !== undefined) return known;
    const made = Promise.resolve().then(load);
    this.programs.set(key, made);
    // What failed once, for want of memory say, may be tried again.
    made.catch(() => this.programs.delete(key));
    return made;
  }

  close(): Promise<void> {
    return this.runtime.close();
  }

  /** The compiled step graph that computes what `options` name, with products of 8 bits where the model has them. */
  stepProgram(options: StepGraphOptions): Promise<Program> {
    const { quantised } = this;
    const key = JSON.stringify(options);
    if (quantised?.long === undefined) {
      const prepack = options.result === "choices" && weightBytes(this.files.weights) <= PACKED_UP_TO;
      return this.compile(key, () => stepGraph(this.config, options), { prepack });
    }
    const { planOf, type } = quantised.long;
    return this.compiled(key, () => {
      const graph = eightBitGraph(stepGraph(this.config, options), planOf, type);
      return this.runtime.load({ ...fromCopy(graph, quantised), prepack: false });
    });
  }

  /** The step graph for reading `tokens` tokens in one go: few of them with weights in blocks, where there are any. */
  readingProgram(
    options: Pick<StepGraphOptions, "result" | "adapter" | "base" | "queryStatistics" | "fused">,
    tokens: number,
  ): Promise<Program> {
    const { quantised } = this;
    if (quantised === undefined || tokens > SHORT_STEP || options.adapter !== undefined)
      return this.stepProgram(options);
    return this.compiled(`blocks ${JSON.stringify(options)}`, () => {
      const graph = quantisedGraph(stepGraph(this.config, options), quantised.bitsOf);
      // Packed anew for the processor at hand: a copy, which blocks cannot do without.
      return this.runtime.load({ ...fromCopy(graph, quantised), prepack: true });
    });
  }

  /** @throws KvDistillError `context-too-long`, `bad-argument` as `forward`, before anything is read */
  checkReading(ids: readonly number[], cache: LayerCache): void {
    const limit = contextLimit(this.config);
    const rows = cache.mostRows + ids.length;
    if (rows > limit) {
      throw new KvDistillError("context-too-long", "more tokens than the model reads", {
        where: this.files.name,
        expected: `at most ${limit} tokens`,
        got: String(rows),
        hint: "shorten the text, or compress it fold by fold (--fold)",
      });
    }
    const bad = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= this.config.vocabSize);
    if (bad >= 0) {
      throw new KvDistillError("bad-argument", "token id outside the vocabulary", {
        where: `ids[${bad}]`,
        expected: `a whole number from 0 to ${this.config.vocabSize - 1}`,
        got: String(ids[bad]),
      });
    }
  }
}

function fromCopy(graph: Graph, { weights, folder }: QuantisedWeights): OnnxProgram {
  return { name: graph.name, bytes: writeOnnx(graph, weights), weightsFolder: folder };
}

/** How much adapters do to each token of a chunk. */
function strengths(
  { routed, strength = 1 }: EncodingAdapter,
  start: number,
  count: number,
): Record<string, Tensor<"float32">> {
  const own = routed.slice(start, start + count).map((value) => strength * value);
  return {
    routed: tensor("float32", [count, 1], own),
    strength: tensor("float32", [count, 1], new Float32Array(count).fill(strength)),
  };
}
