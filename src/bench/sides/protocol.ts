import { z } from "zod";

/**
 * How the bench talks to the processes that it measures, our own and the peers' alike: JSON objects, one a line. The process says hello,
 * then answers every request line with one result line, in order. Everything else goes to stderr. A process measures itself, so that
 * neither starting it nor talking to it counts. tools/peers/README.md says the same to authors of peers.
 */
export const PROTOCOL_VERSION = 1;

export const helloSchema = z.object({
  hello: z.literal("kv-distill bench"),
  protocol: z.int(),
  /** Programs and libraries, for the report. */
  versions: z.record(z.string(), z.string()),
});
export type Hello = z.infer<typeof helloSchema>;

const measure = z.number().nonnegative();

/** What a request gave. */
export const resultSchema = z.object({
  id: z.int().nonnegative(),
  /** Of the measured part alone. */
  seconds: measure,
  /** Tokens that were worked on, as the request counts them: equal on all sides, or they do not do the same. */
  tokens: z.int().nonnegative(),
  /** Largest resident memory of the process since the request began; since its start where the system cannot tell. */
  peakBytes: measure.nullable(),
  /** What came out, to be compared between sides: a loss, ids of tokens. */
  check: z.record(z.string(), z.union([z.number(), z.array(z.number())])),
});
export type SideResult = z.infer<typeof resultSchema>;

/** A request that failed. */
export const failureSchema = z.object({ id: z.int().nonnegative(), error: z.string() });

/** Tokens of one question about one context. */
export interface Triple {
  readonly context_ids: readonly number[];
  readonly question_ids: readonly number[];
  readonly answer_ids: readonly number[];
}

/** What a process is told first. */
export interface OpenRequest {
  readonly work: "open";
  readonly model: {
    readonly name: string;
    /** sha256 over configuration and weights. */
    readonly hash: string;
    /** Hugging Face folder of the float32 weights. */
    readonly folder: string;
    /** The same weights as GGUF, where the model came as one. */
    readonly gguf: string | null;
  };
  readonly threads: number;
  readonly device: string;
  /** How numbers are computed; each side names its own. */
  readonly precision: string;
  /** Which of its programs a process shall be. */
  readonly variant: string;
  /** Folder of the reference implementation. */
  readonly reference: string | null;
  /** Adapter folder, for what compresses. */
  readonly adapter: string;
  /** Folder for files that are made on the way. */
  readonly scratch: string;
  /** Folder for traces; null to measure without. */
  readonly profile: string | null;
}

/** What can be asked for, one entry for each kind of work. All lengths are in tokens. */
export type WorkRequest =
  | TrainRequest
  | PrefillRequest
  | DecodeRequest
  /** Reads and compresses; with `foldTokens` fold by fold. */
  | {
      readonly work: "compress";
      readonly ids: readonly number[];
      readonly keep: number;
      readonly foldTokens: number | null;
    }
  | FirstTokenRequest
  | AnswersRequest
  /** Square float32 matrix products, `times` of them; check: `flops` per second. */
  | { readonly work: "gemm"; readonly size: number; readonly times: number };

/**
 * Reads a text into an empty cache; check: `next`, the likeliest next token, and where fidelity is asked for `KL`, the mean divergence in nats of the
 * side's predictions at the last 64 tokens from its own in float32.
 */
export interface PrefillRequest {
  readonly work: "prefill";
  readonly ids: readonly number[];
  readonly fidelity?: true;
}

/** One optimiser step; the next request goes on from it. check: `loss`. */
export interface TrainRequest {
  readonly work: "train";
  readonly triples: readonly Triple[];
  /** Adapter folder that the first step starts from. */
  readonly start: string;
  readonly rank: number;
  readonly alpha: number;
  readonly eta: number;
  readonly sinks: number;
  readonly lambda: number;
  readonly keep: number;
  readonly learningRate: number;
  /** Passages computed at once, by sides that split a step. */
  readonly microBatch: number;
}

/**
 * Greedy tokens after `first` on a cache of `context`, which is made before and not measured; check: `ids`, and where fidelity is asked for `KL`, the
 * mean divergence in nats of the side's predictions at them from its own in float32.
 */
export interface DecodeRequest {
  readonly work: "decode";
  readonly context: readonly number[];
  /** Compressed to this part before; 1 for the full cache. */
  readonly keep: number;
  readonly first: number;
  readonly steps: number;
  readonly fidelity?: true;
}

/** The first token of an answer: from a cache file, loaded from disk, or after reading the text again; check: `next`. */
export interface FirstTokenRequest {
  readonly work: "first-token";
  readonly from: "file" | "text";
  readonly context: readonly number[];
  readonly keep: number;
  readonly question: readonly number[];
}

/**
 * Greedy answers of `steps` tokens each to every question on each of several caches that SnapKV makes of one context, reading and compressing it
 * included; tokens: the answers. check: `ids`, cache after cache, question after question.
 */
export interface AnswersRequest {
  readonly work: "answers";
  readonly context: readonly number[];
  /** Parts of the cache that are kept. */
  readonly keeps: readonly number[];
  readonly questions: readonly (readonly number[])[];
  readonly steps: number;
}

export type Work = WorkRequest["work"];
