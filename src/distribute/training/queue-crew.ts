import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { WorkIdentity } from "../identity.ts";
import type { JobKind } from "../jobs/kind.ts";
import type { Link } from "../link.ts";
import { distribute, type FollowOptions } from "../run/distribute.ts";
import { newRunName, runFolder } from "../run/run-name.ts";
import { takeFromQueue } from "../run/take-from-queue.ts";
import { type Crew, type JobOutcome, type Round, roundOf } from "./crew.ts";
import { roundMemory } from "./round-memory.ts";

export interface QueueCrewOptions extends Pick<FollowOptions, "onNote" | "pollMilliseconds" | "retryMilliseconds"> {
  readonly link: Link;
  readonly identity: WorkIdentity;
  /** Of the training run, for people. */
  readonly title: string;
  /** File that remembers the rounds from one process to the next. */
  readonly memory: string;
}

/** Steps are short: the queue is looked at often. */
const POLL_MILLISECONDS = 100;

/**
 * The workers of a queue. Each round is a run of its own, which is taken from the queue when its results are taken, all but the last, so that the
 * queue does not grow with the steps.
 * @throws KvDistillError `bad-file`, `disk`
 */
export async function openQueueCrew(options: QueueCrewOptions): Promise<Crew> {
  const { link, identity, title, onNote, pollMilliseconds = POLL_MILLISECONDS, retryMilliseconds } = options;
  const { store, scratch, queues } = link;
  const memory = roundMemory(options.memory);
  const training = trainingName(options.memory);
  let { sent, kept } = await memory.recall();
  let isLast = false;

  /** The run of a round: the one that an earlier process sent, if its jobs are these. */
  const runFor = async <W, R>(round: Round<W, R>): Promise<{ readonly run: string; readonly jobs: readonly W[] }> => {
    if (sent !== null) {
      const jobs = await round.jobs(runFolder(sent.run));
      if (fingerprint(jobs, round) === sent.jobs) return { run: sent.run, jobs };
      await takeFromQueue(queues, sent.run);
      kept = [...kept, sent.run];
    }
    const run = newRunName(round.kind.name);
    const jobs = await round.jobs(runFolder(run)).catch(async (error: unknown) => {
      // What could be written, before a disk was full or a network gone, goes when the next process settles its first round.
      kept = [...kept, run];
      await memory.remember({ sent: null, kept });
      throw error;
    });
    sent = { run, jobs: fingerprint(jobs, round) };
    await memory.remember({ sent, kept });
    return { run, jobs };
  };

  return {
    store,
    scratch,
    round: async (round) => {
      const { run, jobs } = await runFor(round);
      const kind = round.kind as unknown as JobKind<unknown, unknown>;
      const shards = jobs.map((work, i) => ({ units: round.units[i] ?? 0, work }));
      const { done, steps, total } = round.place;
      isLast = done + steps === total;
      const which = steps === 1 ? `step ${done + 1}` : `steps ${done + 1} to ${done + steps}`;
      const distribution = {
        kind,
        run,
        identity,
        title: `${title}: ${which} of ${total}`,
        unit: "passages",
        shards,
        round: { training, done, steps, total },
        ...(round.deadline === undefined ? {} : { deadline: round.deadline }),
      };
      const follow = {
        pollMilliseconds,
        ...(round.signal === undefined ? {} : { signal: round.signal }),
        ...(onNote === undefined ? {} : { onNote }),
        ...(retryMilliseconds === undefined ? {} : { retryMilliseconds }),
      };
      return (await distribute(link, distribution, follow)) as JobOutcome<never>[];
    },
    settle: async (live) => {
      const run = sent?.run;
      const all = run === undefined ? kept : [...kept, run];
      const folders = new Set(live.map(roundOf));
      // A process that goes on must not take up again what is about to be deleted.
      [sent, kept] = [null, all];
      await memory.remember({ sent, kept });
      // Whoever follows the training run sees by its last round that it has ended.
      if (run !== undefined && !isLast) await takeFromQueue(queues, run);
      kept = all.filter((own) => folders.has(runFolder(own)));
      for (const own of all) if (!kept.includes(own)) await store.removeAll(runFolder(own));
    },
    end: async () => {
      // A round that was given up goes on without this process.
      if (sent !== null) return;
      for (const run of kept) await store.removeAll(runFolder(run));
      await memory.forget();
    },
  };
}

/** Of a training run, the same from one process to the next: it is that of its folder here. */
function trainingName(memory: string): string {
  const place = `${hostname()} ${resolve(memory)}`;
  return `training-${createHash("sha256").update(place).digest("hex").slice(0, 12)}`;
}

/** What jobs are, wherever their files lie, and whether their run may end early. */
function fingerprint(jobs: readonly unknown[], { deadline }: Pick<Round<unknown, unknown>, "deadline">): string {
  const sent = { jobs, endsEarly: deadline !== undefined };
  const text = JSON.stringify(sent, (key, value: unknown) => (key === "key" || key === "bytes" ? undefined : value));
  return createHash("sha256").update(text).digest("hex");
}
