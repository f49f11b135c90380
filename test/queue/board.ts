import { serveStatic } from "@hono/node-server/serve-static";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { createBullBoard } from "@bull-board/api";
import { HonoAdapter } from "@bull-board/hono";
import { Queue } from "bullmq";
import { expect } from "vitest";
import { JOBS_QUEUE, RUNS_QUEUE } from "../../src/distribute/redis/queues.ts";

/** A job as the board shows it in a list. */
export interface BoardJob {
  readonly id: string;
  readonly name: string;
  readonly attempts: number;
  readonly failedReason?: string;
  readonly isFailed: boolean;
}

/** A queue as the board shows it. */
export interface BoardQueue {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly jobs: readonly BoardJob[];
  readonly hasWorkers: boolean | null;
}

/** A run and its jobs as the board's picture of a flow has them. */
export interface BoardNode {
  readonly id: string;
  readonly state: string;
  /** How its jobs have ended, as far as they have. */
  readonly dependencies?: Readonly<Record<"processed" | "unprocessed" | "ignored" | "failed", number>>;
  readonly ignoredChildFailureReasons?: Readonly<Record<string, string>>;
  readonly children: readonly BoardNode[];
}

/** bull-board over the queues, as docs/distributing.md sets it up; it is asked without a port. */
export interface Board {
  /** Both queues, and the jobs of one that are in a state (`latest`: in any). */
  readonly queue: (name: string, status?: string) => Promise<BoardQueue>;
  readonly flow: (run: string) => Promise<BoardNode>;
  readonly logs: (run: string) => Promise<readonly string[]>;
  readonly page: () => Promise<string>;
  /** Does a job again, as a person does who presses the button. */
  readonly retry: (queue: string, job: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

export function openBoard(port: number): Board {
  const connection = { host: "127.0.0.1", port };
  const queues = [JOBS_QUEUE, RUNS_QUEUE].map((name) => new Queue(name, { connection }));
  const serverAdapter = new HonoAdapter(serveStatic);
  createBullBoard({ queues: queues.map((queue) => new BullMQAdapter(queue)), serverAdapter });
  const app = serverAdapter.registerPlugin();
  const get = async (path: string): Promise<unknown> => {
    const response = await app.request(path);
    expect(response.status, path).toBe(200);
    return response.json();
  };
  return {
    queue: async (name, status = "latest") => {
      const asked = `/api/queues?activeQueue=${name}&status=${status}&page=1&jobsPerPage=50`;
      const { queues: told } = (await get(asked)) as { readonly queues: readonly BoardQueue[] };
      expect(told.map((queue) => queue.name).sort()).toEqual([JOBS_QUEUE, RUNS_QUEUE].sort());
      const found = told.find((queue) => queue.name === name);
      if (found === undefined) throw new Error(`the board shows no queue ${name}`);
      return found;
    },
    flow: async (run) => {
      const { flowRoot } = (await get(`/api/queues/${RUNS_QUEUE}/${run}/flow`)) as { readonly flowRoot: BoardNode };
      return flowRoot;
    },
    logs: async (run) => (await get(`/api/queues/${RUNS_QUEUE}/${run}/logs`)) as readonly string[],
    page: async () => (await app.request("/")).text(),
    retry: async (queue, job) => {
      expect((await app.request(`/api/queues/${queue}/${job}/retry`, { method: "PUT" })).status).toBe(204);
    },
    close: async () => {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}
