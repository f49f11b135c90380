import type { AskedKeep } from "../../cache/kv-cache.ts";
import { keyValueBytes } from "../../cache/kv-cache.ts";
import { saveKvd } from "../../cache/save-kvd.ts";
import { compressIds, type CompressProgress } from "../../compress/compress.ts";
import { foldingOf } from "../../compress/fold.ts";
import { planCompression } from "../../compress/plan.ts";
import type { ModelConfig } from "../../models/config.ts";
import type { ContextTokens } from "../../models/marked-span.ts";
import type { Tenant } from "../access/tokens.ts";
import { checkContextTokens, checkMessages } from "../check-limits.ts";
import { Refusal } from "../http/refusal.ts";
import type { Job } from "../queue/jobs.ts";
import { type ChosenMethod, chosenMethod, type Service } from "../service.ts";
import { contextFacts, type ContextFacts } from "./context-facts.ts";
import type { ContextRequest } from "./context-request.ts";
import { contextTokensOf } from "./context-text.ts";
import { type Fidelity, fidelityOf } from "./fidelity.ts";

/** A request that has been looked at: nothing but the model's work is left. */
export interface PlannedContext {
  readonly request: ContextRequest;
  readonly tokens: ContextTokens;
  readonly chosen: ChosenMethod;
  /** Rows of the finished cache. */
  readonly rows: number;
}

/** What a client gets for a document. */
export interface MadeContext extends ContextFacts {
  readonly timings: {
    readonly waited_seconds: number;
    readonly compress_seconds: number;
    readonly tokens_per_second: number;
    readonly store_seconds: number;
    readonly fidelity_seconds?: number;
  };
  readonly warnings: readonly string[];
  readonly fidelity?: Fidelity;
}

const DEFAULT_SINKS = 4;

/**
 * Checks a request as far as can be without the model.
 * @throws Refusal, KvDistillError: everything that is the request's fault
 */
export async function planContext(service: Service, request: ContextRequest): Promise<PlannedContext> {
  const { model, encoder, limits } = service;
  const chosen = chosenMethod(service, request.method);
  if (request.messages !== undefined) checkMessages(limits, request.messages);
  const tokens = await contextTokensOf(request, model.files, encoder);
  const { ids } = tokens;
  checkContextTokens(limits, ids.length);
  if (request.fidelity !== false && request.fold === false && ids.length >= model.config.maxPositions) {
    throw new Refusal("bad-argument", "the full cache cannot be compared with: the model does not read so much", {
      param: "fidelity",
    });
  }
  const { rows } = plannedRows(model.config, model.files.name, tokens, chosen, request.keep, request.fold);
  return { request, tokens, chosen, rows };
}

/** @throws KvDistillError as `planCompression` */
export function plannedRows(
  config: ModelConfig,
  where: string,
  { ids, span }: ContextTokens,
  { adapter }: ChosenMethod,
  keep: AskedKeep,
  fold: boolean | number,
): { readonly rows: number } {
  return planCompression(
    {
      tokens: ids.length,
      span,
      keep,
      sinks: adapter?.adapter.config.sinks ?? DEFAULT_SINKS,
      folding: foldingOf(fold, adapter?.adapter.config.foldCut),
    },
    config,
    where,
  );
}

/**
 * Compresses and stores a context.
 * @param tell is told how far it is
 */
export async function makeContext(
  service: Service,
  tenant: Tenant,
  { request, tokens: { ids, span }, chosen, rows }: PlannedContext,
  job: Job,
  tell: (progress: CompressProgress) => void,
): Promise<MadeContext> {
  const { model, store, metrics } = service;
  const { signal } = job;
  const warnings: string[] = [];
  const seconds = stopwatch();
  tell({ tokens: 0, total: ids.length, fold: 1, folds: 1 });
  const cache = await compressIds(model, ids, {
    ...chosen,
    span,
    keep: request.keep,
    fold: request.fold,
    seed: request.seed,
    signal,
    onProgress: tell,
    onWarning: (message) => warnings.push(message),
  });
  const compressSeconds = seconds();
  metrics.tokens.inc({ kind: "compressed" }, span.end - span.start);
  const { fidelity: asked } = request;
  const fidelity =
    asked === false ? undefined : await fidelityOf(model, cache, asked === true ? [] : asked.questions, signal);
  const fidelitySeconds = seconds();
  signal.throwIfAborted();
  const stored = await store.add(tenant, largestFile(model.config, rows, ids.length), async (path) => {
    await saveKvd(path, cache);
  });
  return {
    ...contextFacts(stored),
    timings: {
      waited_seconds: job.waitedSeconds,
      compress_seconds: compressSeconds,
      tokens_per_second: ids.length / compressSeconds,
      store_seconds: seconds(),
      ...(fidelity === undefined ? {} : { fidelity_seconds: fidelitySeconds }),
    },
    warnings,
    ...(fidelity === undefined ? {} : { fidelity }),
  };
}

/** No file of so many rows is larger: keys, values, positions, scores and a row count of every head, token ids, header. */
function largestFile(config: ModelConfig, rows: number, tokens: number): number {
  const header = 2 ** 16 + 512 * config.numLayers;
  return keyValueBytes(config, rows, 2) + (8 * rows + 4) * config.numLayers * config.numKvHeads + 4 * tokens + header;
}

/** Seconds since it was last asked. */
function stopwatch(): () => number {
  let before = performance.now();
  return () => {
    const now = performance.now();
    const seconds = (now - before) / 1000;
    before = now;
    return seconds;
  };
}
