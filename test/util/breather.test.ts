import { expect, test } from "vitest";
import { breather } from "../../src/util/breather.ts";

/** Rounds of the event loop while something goes on. */
async function roundsDuring(work: () => Promise<void>): Promise<number> {
  let rounds = 0;
  let going = true;
  const count = (): void => {
    if (!going) return;
    rounds++;
    setImmediate(count);
  };
  setImmediate(count);
  await work();
  going = false;
  return rounds;
}

test("long work lets others go first, short work goes on", async () => {
  const busy = (milliseconds: number): void => {
    const until = performance.now() + milliseconds;
    while (performance.now() < until);
  };
  const long = await roundsDuring(async () => {
    const breathe = breather();
    for (let i = 0; i < 20; i++) {
      busy(5);
      await breathe();
    }
  });
  expect(long).toBeGreaterThanOrEqual(5);
  const short = await roundsDuring(async () => {
    const breathe = breather();
    for (let i = 0; i < 20; i++) await breathe();
  });
  expect(short).toBeLessThanOrEqual(2);
});
