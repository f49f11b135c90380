/**
 * Times of rounds by a queue, beside the same rounds in one process: node --import tsx bench/training-rounds.mts [workers …]
 *
 * A tiny random model, so that what is measured is what the queue and the store cost. Workers, sender and Redis share this machine; each worker
 * has a runtime of its own in this process. Prints a line of JSON for each number of workers; 0 is one process without a queue.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withLink } from "../src/distribute/link.ts";
import { parseRedisUrl } from "../src/distribute/redis/address.ts";
import { openStore } from "../src/distribute/store/open-store.ts";
import { QueueToken } from "../src/distribute/token.ts";
import { dilocoHere } from "../src/distribute/training/diloco-here.ts";
import { trainByQueue } from "../src/distribute/training/train-by-queue.ts";
import { runWorker } from "../src/distribute/worker/run-worker.ts";
import { LanguageModel } from "../src/models/language-model.ts";
import { openModel } from "../src/models/open.ts";
import { createRuntime } from "../src/runtime/runtime.ts";
import type { TrainConfig } from "../src/train/config.ts";
import { runTraining } from "../src/train/run.ts";
import type { TrainingLoop } from "../src/train/training-loop.ts";
import { createLogger } from "../src/util/log.ts";
import { startRedis } from "../test/queue/redis-server.ts";
import { runOptions, tinyConfig, writeTinyData, writeTinyLlama } from "../test/train/tiny-run.ts";

const counts = process.argv.slice(2).map(Number);
const token = "0123456789abcdef0123456789abcdef";
const work = await mkdtemp(join(tmpdir(), "kv-distill-rounds-"));
process.env.KV_DISTILL_HOME = join(work, "home");
const log = createLogger("warn", (line) => process.stderr.write(line));
const files = await openModel(await writeTinyLlama(work));
const data = await writeTinyData(work);
const redis = await startRedis(join(work, "redis"));
const store = join(work, "store");
await mkdir(join(work, "scratch"));

const WAYS = {
  gradients: tinyConfig({ batch: 8, microBatch: 2, steps: 8 }),
  diloco: tinyConfig({ sync: "diloco", parts: 4, innerSteps: 2, batch: 2, microBatch: 2, steps: 8 }),
};

/** A round's seconds by the clock and of the processor (all sides but Redis): medians, the first round left out, since graphs are compiled in it. */
interface RoundSeconds {
  readonly wall: number;
  readonly cpu: number;
}

async function rounds(name: string, config: TrainConfig, loop: TrainingLoop | undefined): Promise<RoundSeconds> {
  const inner = config.sync === "diloco" ? config.innerSteps : 1;
  const ends: { readonly wall: number; readonly cpu: number }[] = [];
  const onStep = ({ step }: { readonly step: number }): void => {
    const { user, system } = process.cpuUsage();
    if (step % inner === 0) ends.push({ wall: performance.now() / 1e3, cpu: (user + system) / 1e6 });
  };
  const changes = { config, checkpointEvery: 1000, onStep, ...(loop === undefined ? {} : { loop }) };
  await runTraining(runOptions(files, data, join(work, name), changes));
  const median = (of: "wall" | "cpu"): number => {
    const took = ends.slice(1).map((end, i) => end[of] - (ends[i]?.[of] ?? 0));
    return Number((took.sort((x, y) => x - y)[took.length >> 1] ?? NaN).toFixed(3));
  };
  return { wall: median("wall"), cpu: median("cpu") };
}

const print = (facts: object): void => void process.stdout.write(`${JSON.stringify(facts)}\n`);
print({
  workers: 0,
  gradients: await rounds("g0", WAYS.gradients, undefined),
  diloco: await rounds("d0", WAYS.diloco, dilocoHere(files, join(work, "d0"), 1)),
});
for (const count of counts) {
  const stop = new AbortController();
  const models: LanguageModel[] = [];
  const ends: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const model = new LanguageModel(files, await createRuntime({ threads: 1 }));
    models.push(model);
    const address = parseRedisUrl(redis.url);
    const own = { address, token: new QueueToken(token), store: await openStore(store), model };
    ends.push(runWorker({ ...own, name: `w${i}`, scratch: join(work, "scratch"), log, signal: stop.signal }));
  }
  const found: Record<string, RoundSeconds> = {};
  await withLink({ queue: redis.url, token, store }, log, async (link) => {
    for (const [way, config] of Object.entries(WAYS)) {
      const name = `${way}-${count}`;
      found[way] = await rounds(
        name,
        config,
        trainByQueue({ link, files, threads: 1, out: join(work, name), title: name }),
      );
    }
  });
  print({ workers: count, ...found });
  stop.abort();
  await Promise.all(ends);
  for (const model of models) await model.close();
}
await redis.stop();
await rm(work, { recursive: true });
