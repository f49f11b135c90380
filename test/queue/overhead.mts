// What a job costs beside its work: node --import tsx test/queue/overhead.mts [jobs]. Jobs without passages; worker and sender in one process,
// whose processor time is told, and that of Redis.
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { identityOf } from "../../src/distribute/identity.ts";
import { EVAL_JOB } from "../../src/distribute/jobs/eval.ts";
import { withLink } from "../../src/distribute/link.ts";
import { parseRedisUrl } from "../../src/distribute/redis/address.ts";
import { distribute } from "../../src/distribute/run/distribute.ts";
import { putJson } from "../../src/distribute/store/checked-file.ts";
import { openStore } from "../../src/distribute/store/open-store.ts";
import { QueueToken } from "../../src/distribute/token.ts";
import { runWorker } from "../../src/distribute/worker/run-worker.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { openModel } from "../../src/models/open.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { createLogger } from "../../src/util/log.ts";
import { startRedis } from "./redis-server.ts";

const count = Number(process.argv[2] ?? 200);
const token = "0123456789abcdef0123456789abcdef";
const work = await mkdtemp(join(tmpdir(), "kv-distill-overhead-"));
process.env.KV_DISTILL_HOME = join(work, "home");
const log = createLogger("warn", (line) => process.stderr.write(line));
const redis = await startRedis(join(work, "redis"));
const files = await openModel(fileURLToPath(new URL("../golden/gguf-models/llama", import.meta.url)));
const model = new LanguageModel(files, await createRuntime({ threads: 1 }));
/** Milliseconds of its processor that Redis has used. */
async function redisMilliseconds(): Promise<number> {
  const client = redis.client();
  const told = await client.info("cpu");
  client.disconnect();
  const used = ["user", "sys"].map((part) => Number(new RegExp(`^used_cpu_${part}:(.*)$`, "m").exec(told)?.[1]));
  return 1000 * used.reduce((sum, seconds) => sum + seconds, 0);
}
const stop = new AbortController();
await mkdir(join(work, "scratch"));
const store = await openStore(join(work, "store"));
const worker = runWorker({
  address: parseRedisUrl(redis.url),
  token: new QueueToken(token),
  store,
  model,
  name: "one",
  scratch: join(work, "scratch"),
  log,
  signal: stop.signal,
});
await withLink({ queue: redis.url, token, store: join(work, "store") }, log, async (link) => {
  const settings = {
    methods: ["full"],
    keeps: [1],
    metrics: [],
    sinks: 4,
    seed: 0,
    taskMaxNewTokens: 0,
    maxNewTokens: 0,
    goldTokens: 1,
    fold: null,
    foldCut: "even" as const,
  };
  const identity = await identityOf(model);
  for (const [run, jobs] of [["eval-000000000000", 5] as const, ["eval-000000000001", count] as const]) {
    const passages = await putJson(store, `runs/${run}/work`, []);
    const shards = Array.from({ length: jobs }, () => ({ units: 0, work: { settings, adapter: null, passages } }));
    const before = await redisMilliseconds();
    const [cpu, begun] = [process.cpuUsage(), performance.now()];
    await distribute(link, { kind: EVAL_JOB, run, identity, title: "overhead", unit: "passages", shards });
    const { user, system } = process.cpuUsage(cpu);
    const wallMs = (performance.now() - begun) / jobs;
    const redisMs = ((await redisMilliseconds()) - before) / jobs;
    const facts = { jobs, wallMs, cpuMs: (user + system) / 1000 / jobs, redisMs };
    if (jobs === count) process.stdout.write(`${JSON.stringify(facts)}\n`);
  }
});
stop.abort();
await worker;
await model.close();
await redis.stop();
await rm(work, { recursive: true });
