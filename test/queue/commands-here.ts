import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type Link, withLink } from "../../src/distribute/link.ts";
import { createLogger } from "../../src/util/log.ts";
import { type Setting, TOKEN } from "./setting.ts";

/** Commands of this process that work with the queue of a setting. */
export interface CommandsHere {
  /** A path in the setting's folder. */
  readonly at: (name: string) => string;
  /** Options that send the work to the queue. */
  readonly link: () => string[];
  readonly withQueues: <T>(work: (queues: Link["queues"]) => Promise<T>) => Promise<T>;
}

/** Gives commands a home of their own and the queue's token, for all tests of a file. */
export function useCommandsHere(setting: Setting): CommandsHere {
  const at = (name: string): string => join(setting.work(), name);
  const [queue, store] = [(): string => setting.redis().url, (): string => setting.store()];
  let before: NodeJS.ProcessEnv;
  beforeAll(() => {
    before = { ...process.env };
    process.env.KV_DISTILL_HOME = at("home");
    process.env.KV_DISTILL_QUEUE_TOKEN = TOKEN;
  });
  afterAll(() => {
    process.env = before;
  });
  return {
    at,
    link: () => ["--queue", queue(), "--store", store()],
    withQueues: (work) => {
      const log = createLogger("silent", () => undefined);
      return withLink({ queue: queue(), token: TOKEN, store: store() }, log, ({ queues }) => work(queues));
    },
  };
}
