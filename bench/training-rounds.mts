/**
 * Times of rounds by a queue, beside the same rounds in one process: node --import tsx bench/training-rounds.mts [workers …]
 *
 * A tiny random model, so that what is measured is what the queue and the store cost. Workers, sender and Redis share this machine; each worker
 * has a runtime of its own in this process. Prints a line of JSON for each number of workers.
 */
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
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

/** Median seconds of a round, the first left out: graphs are compiled in it. */
async function median(name: string, config: TrainConfig, loop: TrainingLoop | undefined): Promise<number> {
  const out = join(work, name);
  await runTraining(
    runOptions(files, data, out, { config, checkpointEvery: 1000, ...(loop === undefined ? {} : { loop }) }),
  );
  const inner = config.sync === "diloco" ? config.innerSteps : 1;
  const lines = (await readFile(join(out, "metrics.jsonl"), "utf8")).trim().split("\n");
  const seconds = lines
    .map((line) => (JSON.parse(line) as { seconds: number }).seconds * inner)
    .filter((_, i) => i % inner === 0)
    .slice(1)
    .sort((a, b) => a - b);
  return Number((seconds[seconds.length >> 1] ?? NaN).toFixed(3));
}

const print = (facts: object): void => void process.stdout.write(`${JSON.stringify(facts)}\n`);
print({
  workers: 0,
  gradients: await median("g0", WAYS.gradients, undefined),
  diloco: await median("d0", WAYS.diloco, dilocoHere(files, join(work, "d0"), 1)),
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
  const found: Record<string, number> = {};
  await withLink({ queue: redis.url, token, store }, log, async (link) => {
    for (const [way, config] of Object.entries(WAYS)) {
      const name = `${way}-${count}`;
      found[way] = await median(name, config, trainByQueue({ link, files, out: join(work, name), title: name }));
    }
  });
  print({ workers: count, ...found });
  stop.abort();
  await Promise.all(ends);
  for (const model of models) await model.close();
}
await redis.stop();
await rm(work, { recursive: true });
