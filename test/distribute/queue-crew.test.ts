import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Link } from "../../src/distribute/link.ts";
import { GRADIENTS_JOB, type GradientsWork } from "../../src/distribute/jobs/gradients.ts";
import { putJson } from "../../src/distribute/store/checked-file.ts";
import { openFolderStore } from "../../src/distribute/store/folder-store.ts";
import { QueueToken } from "../../src/distribute/token.ts";
import { openQueueCrew, type QueueCrewOptions } from "../../src/distribute/training/queue-crew.ts";
import { KvDistillError } from "../../src/util/errors.ts";
import { createLogger } from "../../src/util/log.ts";
import { errorOf } from "../runtime/expect-error.ts";

let work = "";
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "kv-distill-queue-crew-"));
});
afterAll(() => rm(work, { recursive: true }));

test("what was written of a round that could not be sent goes when a later process has settled a round", async () => {
  const store = await openFolderStore(join(work, "store"));
  // Nothing comes to the queue.
  const queues = {} as Link["queues"];
  const log = createLogger("silent", () => undefined);
  const options: QueueCrewOptions = {
    link: { queues, token: new QueueToken("0".repeat(32)), store, scratch: work, log },
    identity: {} as QueueCrewOptions["identity"],
    title: "test",
    memory: join(work, "queue.json"),
  };
  const full = new KvDistillError("disk", "cannot write the file", { where: "second", got: "ENOSPC" });
  const crew = await openQueueCrew(options);
  const round = crew.round({
    kind: GRADIENTS_JOB,
    place: { done: 0, steps: 1, total: 2 },
    units: [1, 1],
    jobs: async (folder): Promise<GradientsWork[]> => {
      await putJson(store, `${folder}/work`, "first");
      throw full;
    },
  });
  expect(await errorOf(round, "disk")).toBe(full);
  expect(await store.list("runs")).toHaveLength(1);

  const later = await openQueueCrew(options);
  await later.settle([]);
  expect(await store.list("runs")).toEqual([]);
  await later.end();
  expect(await readdir(work)).toEqual(["store"]);
});
