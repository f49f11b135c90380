import { setMaxListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { Refusal } from "../../src/server/http/refusal.ts";
import { FairQueue, type Leave } from "../../src/server/queue/fair-queue.ts";
import { Jobs } from "../../src/server/queue/jobs.ts";

const never = new AbortController().signal;
setMaxListeners(0, never);
const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue that has learned that turns are short. */
async function queueOf(limits: { active: number; waiting: number }): Promise<FairQueue> {
  const queue = new FairQueue({ ...limits, waitingSeconds: 60 });
  for (let i = 0; i < 200; i++) (await queue.enter("first", never))();
  return queue;
}

/** Who got in, in order. */
function entering(queue: FairQueue): { enter: (client: string) => void; order: string[]; leaves: Leave[] } {
  const order: string[] = [];
  const leaves: Leave[] = [];
  return {
    order,
    leaves,
    enter: (client) => {
      void queue.enter(client, never).then(
        (leave) => {
          order.push(client);
          leaves.push(leave);
        },
        () => order.push(`${client} refused`),
      );
    },
  };
}

describe("the queue", () => {
  test("a client with one request is not behind another's hundred", async () => {
    const queue = await queueOf({ active: 1, waiting: 200 });
    const { enter, order, leaves } = entering(queue);
    for (let i = 0; i < 100; i++) enter("greedy");
    enter("modest");
    await soon();
    leaves.shift()?.();
    await soon();
    leaves.shift()?.();
    await soon();
    expect(order).toEqual(["greedy", "modest", "greedy"]);
  });

  test("never more at work than allowed, everybody gets in, clients that wait take turns", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        async (clients, active) => {
          const queue = await queueOf({ active, waiting: 100 });
          const { enter, order, leaves } = entering(queue);
          clients.forEach(enter);
          await soon();
          for (let left = 0; left < clients.length; left++) {
            expect(queue.active).toBe(Math.min(active, clients.length - left));
            leaves[left]?.();
            leaves[left]?.();
            await soon();
          }
          expect([...order].sort()).toEqual([...clients].sort());
          expect([queue.active, queue.waiting]).toEqual([0, 0]);
          if (active > 1) return;
          // With one place: nobody is passed over twice by the same client while waiting.
          for (const client of ["a", "b", "c"]) {
            const at = order.indexOf(client, 1);
            if (at < 0 || clients[0] === client) continue;
            for (const other of ["a", "b", "c"]) {
              expect(order.slice(1, at).filter((name) => name === other).length).toBeLessThanOrEqual(1);
            }
          }
        },
      ),
    );
  });

  test("a full queue refuses whoever waits with the most, with a time to come back", async () => {
    const queue = await queueOf({ active: 1, waiting: 2 });
    const { enter, order, leaves } = entering(queue);
    for (let i = 0; i < 3; i++) enter("greedy");
    await expect(queue.enter("greedy", never)).rejects.toThrow(code("queue-full"));
    enter("modest");
    await soon();
    expect(order).toEqual(["greedy", "greedy refused"]);
    leaves.shift()?.();
    await soon();
    expect(order.at(-1)).toBe("modest");
    const refusal = await (await queueOf({ active: 1, waiting: 0 })).enter("a", never).then(async () => {
      const full = await queueOf({ active: 1, waiting: 0 });
      await full.enter("a", never);
      return full.enter("b", never).then(
        () => undefined,
        (error: unknown) => error,
      );
    });
    expect((refusal as Refusal).facts.retryAfterSeconds).toBeGreaterThanOrEqual(1);
  });

  test("nobody waits who would wait too long, as turns have gone; before the first has, one waits for every place", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const queue = new FairQueue({ active: 2, waiting: 100, waitingSeconds: 60 });
      const { enter, order, leaves } = entering(queue);
      const settled = async (count: number): Promise<string[]> => {
        for (let i = 0; i < count; i++) enter("a");
        await soon();
        return order.splice(0);
      };
      expect(await settled(5)).toEqual(["a", "a", "a refused"]);
      expect(() => {
        queue.check("a");
      }).toThrow(code("queue-full"));
      // Turns of a second: many more may wait, until the list is full.
      for (let i = 0; i < 200; i++) {
        if (queue.waiting === 0) await settled(1);
        vi.advanceTimersByTime(500);
        leaves.shift()?.();
        await soon();
      }
      order.splice(0);
      await settled(2);
      expect((await settled(120)).filter((name) => name === "a")).toEqual([]);
      expect(queue.waiting).toBeGreaterThan(50);
      expect(queue.retryAfterSeconds).toBeGreaterThan(20);
      // Turns that do not end count too.
      const { waiting } = queue;
      vi.advanceTimersByTime(120_000);
      expect(await settled(1)).toEqual(["a refused"]);
      expect(queue.waiting).toBe(waiting);
      expect(queue.retryAfterSeconds).toBe(60);
    } finally {
      vi.useRealTimers();
    }
  });

  test("where turns become slower whoever would wait too long is told at once, the newest first", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const queue = await queueOf({ active: 2, waiting: 100 });
      const [begun, refused]: [number[], number[]] = [[], []];
      const leaves: Leave[] = [];
      for (let i = 0; i < 12; i++) {
        void queue.enter("a", never).then(
          (leave) => {
            begun.push(i);
            leaves.push(leave);
          },
          () => refused.push(i),
        );
      }
      await soon();
      expect([queue.active, queue.waiting]).toEqual([2, 10]);
      // Whoever is at work has taken 16 s: two places, 120 s in all, are enough for seven.
      vi.advanceTimersByTime(16_000);
      leaves.shift()?.();
      await soon();
      expect([begun, refused, queue.waiting]).toEqual([[0, 1, 2], [11, 10], 7]);
      // 30 s: enough for four.
      vi.advanceTimersByTime(30_000);
      leaves.shift()?.();
      await soon();
      expect([begun, refused, queue.waiting]).toEqual([[0, 1, 2, 3], [11, 10, 9, 8], 4]);
      // Turns that end at once again refuse nobody.
      while (queue.active > 0) {
        leaves.shift()?.();
        await soon();
      }
      expect([begun.length, refused.length]).toEqual([8, 4]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("who gives up waiting is forgotten", async () => {
    const queue = await queueOf({ active: 1, waiting: 5 });
    const leave = await queue.enter("a", never);
    const controller = new AbortController();
    const waiting = queue.enter("b", controller.signal);
    const { enter, order } = entering(queue);
    enter("c");
    controller.abort(new Refusal("client-gone", "gone"));
    await expect(waiting).rejects.toThrow(code("client-gone"));
    expect(queue.waiting).toBe(1);
    leave();
    await soon();
    expect(order).toEqual(["c"]);
  });
});

describe("jobs", () => {
  const jobs = (limits: { seconds?: number; waitingSeconds?: number } = {}): Jobs =>
    new Jobs(new FairQueue({ active: 1, waiting: 5, waitingSeconds: 60 }), {
      seconds: 60,
      waitingSeconds: 60,
      ...limits,
    });
  const untilAborted = ({ signal }: { signal: AbortSignal }): Promise<never> =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        reject(signal.reason as Error);
      });
    });

  test("end when their time is up, when the client goes, when the server stops", async () => {
    await expect(jobs({ seconds: 0.01 }).run("a", never, untilAborted)).rejects.toThrow(code("time-limit"));
    const client = new AbortController();
    const gone = jobs().run("a", client.signal, untilAborted);
    client.abort();
    await expect(gone).rejects.toThrow(code("client-gone"));
    const own = jobs();
    const stopped = own.run("a", never, untilAborted);
    await soon();
    own.stop();
    await expect(stopped).rejects.toThrow(code("shutting-down"));
    await expect(own.run("a", never, () => Promise.resolve(1))).rejects.toThrow(code("shutting-down"));
    expect(own.queue.active).toBe(0);
  });

  test("wait so long and no longer", async () => {
    const own = jobs({ waitingSeconds: 0.01 });
    const job = await own.begin("a", never);
    const refusal = await own.begin("b", never).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "queue-timeout", status: 429 });
    expect((refusal as Refusal).facts.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    job.end();
    expect(await own.run("b", never, () => Promise.resolve(5))).toBe(5);
  });
});
