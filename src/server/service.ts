import type { LoadedAdapter } from "../compress/loaded-adapter.ts";
import type { CompressionMethod } from "../compress/method.ts";
import { methodNamed } from "../compress/methods/index.ts";
import type { BatchedReader } from "../generate/batched-reader.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { Logger } from "../util/log.ts";
import type { ContextStore } from "./contexts/store.ts";
import type { Conversations } from "./conversations/conversations.ts";
import type { Encoder } from "./encoder/encoder.ts";
import { Refusal } from "./http/refusal.ts";
import type { Limits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { Jobs } from "./queue/jobs.ts";

/** What the routes work with: one model, and what is kept of requests. */
export interface Service {
  readonly model: LanguageModel;
  /** Reads answers, many at once. */
  readonly reader: BatchedReader;
  /** For kv-distill; a server without one compresses by other methods. */
  readonly adapter: LoadedAdapter | undefined;
  readonly encoder: Encoder;
  readonly store: ContextStore;
  readonly conversations: Conversations;
  /** At the model. */
  readonly jobs: Jobs;
  /** Receiving files, reading whole ones, making reports. */
  readonly uploads: Jobs;
  /** Folder whose runs everybody who may ask may see. */
  readonly runs: string | undefined;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Unix time in seconds. */
  readonly startedAt: number;
  /** Writes what went wrong into the log, as much of it as is the server's fault. */
  readonly report: (error: unknown) => void;
}

/** How a request is compressed: the method, and the adapter that it uses. */
export interface ChosenMethod {
  readonly method: CompressionMethod;
  readonly adapter?: LoadedAdapter;
}

/**
 * A method by name, kv-distill by default.
 * @throws Refusal `bad-argument` for kv-distill where there is no adapter
 */
export function chosenMethod({ adapter, model }: Service, name = "kv-distill"): ChosenMethod {
  if (name !== "kv-distill") return { method: methodNamed(name, undefined) };
  if (adapter !== undefined) return { method: methodNamed(name, adapter), adapter };
  throw new Refusal("bad-argument", `this server has no adapter for ${model.files.name}: name another method`, {
    param: "method",
  });
}
