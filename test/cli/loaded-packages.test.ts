import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tinyModel } from "../models/tiny-models.ts";
import { CLI_TIME, runCli } from "./run-cli.ts";

/** What only a queue needs, BullMQ too, and a store that is no folder. */
const OF_QUEUES = ["ioredis", "@aws-sdk"];

let work = "";
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "kv-distill-loaded-"));
});
afterAll(() => rm(work, { recursive: true, force: true }));

async function loadedBy(args: readonly string[]): Promise<readonly string[]> {
  const preload = new URL("tell-loaded.mjs", import.meta.url).href;
  const environment = { NODE_OPTIONS: `--import=${preload}`, KV_DISTILL_HOME: join(work, "home") };
  const { stderr } = await runCli(args, { environment });
  // The process tells, and threads of its own may.
  return [...stderr.matchAll(/^loaded: (.*)$/gm)].flatMap(([, names = ""]) => names.split(" ").map(withoutPart));
}

/** Of a library in many packages what they all begin with. */
const withoutPart = (name: string): string => name.replace(/^(@aws-sdk)\/.*/, "$1");

test(
  "one machine loads nothing that only a queue needs",
  async () => {
    const documents = join(work, "documents");
    await mkdir(documents);
    await writeFile(join(documents, "a.txt"), "the cat sat on the mat and the dog sat on the log");
    const compress = ["compress", documents, "--model", tinyModel("llama"), "--method", "streaming", "--keep", "50%"];
    const alone = await loadedBy([...compress, "-o", join(work, "alone")]);
    expect(alone).toContain("commander");
    for (const name of OF_QUEUES) expect(alone).not.toContain(name);
    // The same with a queue and a store that are not there: so the test would see them.
    const link = ["--queue", "redis://127.0.0.1:1", "--store", "s3://bucket/runs", "--token", "0".repeat(32)];
    const together = await loadedBy([...compress, "-o", join(work, "together"), ...link]);
    expect(together).toEqual(expect.arrayContaining(OF_QUEUES));
  },
  2 * CLI_TIME,
);
