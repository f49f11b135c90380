import { basename } from "node:path";
import type { LoadedAdapter } from "../compress/loaded-adapter.ts";
import { BatchedReader } from "../generate/batched-reader.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { isKvDistillError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { ContextStore } from "./contexts/store.ts";
import { Conversations } from "./conversations/conversations.ts";
import type { Encoder } from "./encoder/encoder.ts";
import { problemOf } from "./http/problem.ts";
import type { Limits } from "./limits.ts";
import { createMetrics, measureState } from "./metrics.ts";
import { FairQueue } from "./queue/fair-queue.ts";
import { Jobs } from "./queue/jobs.ts";
import type { Service } from "./service.ts";

export interface ServiceOptions {
  readonly model: LanguageModel;
  readonly adapter: LoadedAdapter | undefined;
  readonly encoder: Encoder;
  /** Folder of the stored contexts. */
  readonly folder: string;
  /** Folder of training runs and evaluations to show. */
  readonly runs?: string | undefined;
  readonly limits: Limits;
  readonly log: Logger;
}

/** Files that are received or read at once, and that wait. */
const UPLOADS = { active: 2, waiting: 8 };

/**
 * Puts together what the routes work with.
 * @throws KvDistillError `disk`
 */
export async function createService({
  model: opened,
  adapter,
  encoder,
  folder,
  runs,
  limits,
  log,
}: ServiceOptions): Promise<Service> {
  // A model may be named by its path, which concerns nobody outside.
  const reader = new BatchedReader(opened, basename(opened.files.name));
  const { model } = reader;
  const metrics = createMetrics();
  const store = await ContextStore.open(folder, {
    quotaBytes: limits.quotaBytes,
    contexts: limits.contexts,
    onEviction: ({ id }) => {
      metrics.evictions.inc();
      log.info(`context ${id} was deleted: the quota is used up`);
    },
    onWarning: (message) => {
      log.warn(message);
    },
  });
  const conversations = new Conversations(model.config, limits);
  const jobs = new Jobs(new FairQueue(limits), limits);
  measureState(metrics, {
    active: () => jobs.queue.active,
    waiting: () => jobs.queue.waiting,
    contexts: () => store.count,
    contextBytes: () => store.bytes,
    conversations: () => conversations.count,
  });
  return {
    model,
    reader,
    adapter,
    encoder,
    store,
    conversations,
    jobs,
    uploads: new Jobs(new FairQueue({ ...limits, ...UPLOADS }), limits),
    runs,
    limits,
    metrics,
    log,
    startedAt: Math.floor(Date.now() / 1000),
    report: (error) => {
      const { status, error: facts } = problemOf(error);
      if (status < 500) log.debug(`${status} ${facts.code}: ${facts.message}`);
      else if (status === 503) log.info(`${status} ${facts.code}: ${facts.message}`);
      else log.error(isKvDistillError(error) ? `[${error.code}] ${error.message}` : `[internal] ${stackOf(error)}`);
    },
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}
