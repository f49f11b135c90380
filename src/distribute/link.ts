import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "../util/log.ts";
import { parseRedisUrl } from "./redis/address.ts";
import { lossTeller } from "./redis/loss-teller.ts";
import { openQueues, type Queues } from "./redis/queues.ts";
import { openStore } from "./store/open-store.ts";
import { type Store } from "./store/store.ts";
import { QueueToken } from "./token.ts";

/** How a person names the machines that do the work. */
export interface LinkSettings {
  /** URL of the Redis server. */
  readonly queue: string;
  readonly token: string;
  /** A folder that all machines see, or `s3://bucket/prefix`. */
  readonly store: string;
}

/** What is needed to send work to other machines. */
export interface Link {
  readonly queues: Queues;
  readonly token: QueueToken;
  readonly store: Store;
  /** A folder of this machine. */
  readonly scratch: string;
  readonly log: Logger;
}

/**
 * Connects, runs `work` and lets go again.
 * @throws KvDistillError `bad-argument`, `network`, and as `work`
 */
export async function withLink<T>(settings: LinkSettings, log: Logger, work: (link: Link) => Promise<T>): Promise<T> {
  const address = parseRedisUrl(settings.queue);
  const token = new QueueToken(settings.token);
  const store = await openStore(settings.store);
  try {
    const queues = await openQueues(address, lossTeller(log));
    const scratch = await mkdtemp(join(tmpdir(), "kv-distill-link-"));
    try {
      return await work({ queues, token, store, scratch, log });
    } finally {
      await rm(scratch, { recursive: true, force: true });
      await queues.close();
    }
  } finally {
    store.close();
  }
}
