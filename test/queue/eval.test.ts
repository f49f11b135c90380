import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { evalByQueue } from "../../src/distribute/eval-by-queue.ts";
import { withLink } from "../../src/distribute/link.ts";
import { parseRedisUrl } from "../../src/distribute/redis/address.ts";
import { openStore } from "../../src/distribute/store/store.ts";
import { QueueToken } from "../../src/distribute/token.ts";
import { runWorker } from "../../src/distribute/worker/run-worker.ts";
import { evaluate } from "../../src/evaluate/run/evaluate.ts";
import { squadTask } from "../../src/evaluate/tasks/squad.ts";
import { createLogger } from "../../src/util/log.ts";
import { CONFIG, jsonLines, ROWS, useRoomyModel } from "../evaluate/tiny-run.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";

const { model, work } = useRoomyModel();
const TOKEN = "0123456789abcdef0123456789abcdef";
let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis(join(work(), "redis"));
});
afterAll(() => redis.stop());

const log = createLogger("debug", (line) => process.env.SHOW && process.stderr.write(line));

test("an evaluation by a queue writes what one machine writes", async () => {
  const data = join(work(), "data.jsonl");
  await writeFile(data, jsonLines(ROWS));
  const settings = { model: model(), task: squadTask(data), config: CONFIG };
  await evaluate({ ...settings, out: join(work(), "alone") });
  const stop = new AbortController();
  const store = join(work(), "store");
  await mkdir(join(work(), "scratch"));
  const worker = runWorker({
    address: parseRedisUrl(redis.url),
    token: new QueueToken(TOKEN),
    store: await openStore(store),
    model: model(),
    name: "w1",
    scratch: join(work(), "scratch"),
    log,
    signal: stop.signal,
  });
  await withLink({ queue: redis.url, token: TOKEN, store }, log, (link) =>
    evaluate({
      ...settings,
      out: join(work(), "queued"),
      measure: evalByQueue({ link, title: "test", shardSize: 40, pollMilliseconds: 50 }),
    }),
  );
  stop.abort();
  await worker;
  const read = async (run: string, name: string): Promise<string> =>
    (await readFile(join(work(), run, name), "utf8")).replaceAll(/"seconds":[\d.e-]+/g, '"seconds":0');
  for (const name of ["samples.jsonl", "kept.jsonl", "predictions.csv"]) {
    expect(await read("queued", name)).toBe(await read("alone", name));
  }
  expect(await readdir(join(store, "runs"))).toEqual([]);
});
