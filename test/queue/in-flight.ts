import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import type { Link } from "../../src/distribute/link.ts";
import type { Held } from "../distribute/s3-server.ts";
import type { Command, Setting } from "./setting.ts";

type Linked = <T>(work: (link: Link) => Promise<T>) => Promise<T>;

/**
 * Kills a worker with -9 when a result of its lies in the store that the queue was not told of.
 * @returns name of the job
 */
export async function killWithResult(worker: Command, result: Held): Promise<string> {
  await result.came;
  worker.child.kill("SIGKILL");
  await worker.end;
  result.release();
  const job = [...worker.told().matchAll(/(\S+-\d+) begins/g)].at(-1)?.[1] ?? "";
  expect(job).not.toBe("");
  expect(worker.told()).not.toContain(`${job} done`);
  return job;
}

/**
 * Kills Redis with -9 when so many workers' results lie in the store that the queue was not told of, and starts it again from its append-only
 * file after a second.
 */
export async function killRedisWith(setting: Setting, linked: Linked, results: readonly Held[]): Promise<void> {
  await Promise.all(results.map(({ came }) => came));
  const active = await linked(async ({ queues }) => (await queues.jobs.getActive()).map(({ id }) => id));
  expect(new Set(active).size).toBe(results.length);
  await setting.redis().kill();
  for (const { release } of results) release();
  // The workers want to tell of their results meanwhile.
  await pause(1000);
  await setting.redis().restart();
}
