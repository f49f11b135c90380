import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import { answeredPassagesSchema, sentPassagesSchema } from "../../../src/distribute/jobs/answers.ts";
import { compressedDocumentsSchema, sentDocumentsSchema } from "../../../src/distribute/jobs/compress.ts";
import { evalMeasuredSchema, sentTasksSchema } from "../../../src/distribute/jobs/eval.ts";
import { JOB_KINDS } from "../../../src/distribute/jobs/kinds.ts";
import {
  checked,
  jobResultSchema,
  jobSchema,
  openSealed,
  RUN_NAME,
  runResultSchema,
  runSchema,
  unproven,
} from "../../../src/distribute/jobs/payload.ts";
import { sentBatchesSchema, sentItemsSchema } from "../../../src/distribute/jobs/training-job.ts";
import { orderedOutcomes, outcomesSchema } from "../../../src/distribute/run/outcomes.ts";
import { getJson } from "../../../src/distribute/store/checked-file.ts";
import { isStoreKey } from "../../../src/distribute/store/key.ts";
import type { Store } from "../../../src/distribute/store/store.ts";
import { QueueToken } from "../../../src/distribute/token.ts";
import { parseTrainConfig } from "../../../src/train/config.ts";
import { isJsonObject } from "../../../src/util/strict-json.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { bytesCase } from "../make/case.ts";
import { printTree, type Tree, treeOf } from "../make/json-tree.ts";
import { mutateJson } from "../make/text.ts";
import { jobOf, RESULTS, RUN, RUN_PAYLOAD, RUN_RESULT, STORED, WORKS } from "../samples/jobs.ts";
import { type Case, must, type Target } from "../target.ts";

const token = new QueueToken("0123456789abcdef0123456789abcdef");
const SEALED = jobOf("answers", 0);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** Jobs, runs and results as they come over the queue: with a right proof, so that what comes after it is reached, or as anybody may write them. */
export const queuePayload: Target = {
  name: "queue-payload",
  share: 40,
  open: () => {
    const kinds = [...JOB_KINDS.keys()];
    must(kinds.sort().join() === Object.keys(WORKS).sort().join(), "a sample of every kind of job");
    const samples: readonly { readonly tree: Tree; readonly run: (payload: string) => void }[] = [
      ...kinds.map((kind) => ({ tree: treeOf(jobOf(kind, 0)), run: checkJob })),
      ...kinds.map((kind) => ({ tree: treeOf({ id: `${RUN}-0`, result: RESULTS[kind] }), run: checkResult(kind) })),
      { tree: treeOf(RUN_PAYLOAD), run: checkRun },
      { tree: treeOf(RUN_RESULT), run: checkRunResult },
    ];
    const proven = (run: (payload: string) => void, bytes: Uint8Array): Case =>
      bytesCase(bytes, (given) => {
        run(text(given));
      });
    const sealed = treeOf(token.seal("job", JSON.stringify(SEALED)));
    return Promise.resolve({
      make: (dice) => {
        if (dice.chance(0.1)) return bytesCase(mutateJson(sealed, dice), checkUnproven);
        const { tree, run } = dice.pick(samples);
        return proven(run, mutateJson(tree, dice));
      },
      edges: function* () {
        for (const { tree, run } of samples)
          for (const bytes of damages(Buffer.from(printTree(tree)))) yield proven(run, bytes);
        for (const bytes of damages(Buffer.from(printTree(sealed)))) yield bytesCase(bytes, checkUnproven);
      },
      close: () => Promise.resolve(),
    });
  },
};

function checkJob(payload: string): void {
  const id = `${RUN}-0`;
  const job = openSealed(token, "job", jobSchema, id, token.seal("job", payload));
  must(job.id === id && RUN_NAME.test(job.run), "another job");
  const kind = JOB_KINDS.get(job.kind);
  if (kind === undefined) return;
  const work = checked(kind.work, job.work, id);
  checkKeys(work);
  if (isJsonObject(work) && "config" in work) parseTrainConfig(work.config, "the job's settings");
}

/** A result whose shape is right is its job's outcome, one that is not a failure. */
function checkResult(kind: string): (payload: string) => void {
  return (payload) => {
    const sealed = token.seal("result", payload);
    const [outcome] = orderedOutcomes({ run: RUN, jobs: 1 }, new Map([[`${RUN}-0`, sealed]]), new Map(), token);
    must(outcome !== undefined, "no outcome");
    if ("failure" in outcome) must(outcome.failure.code !== "internal", outcome.failure.message);
    const { result } = openSealed(token, "result", jobResultSchema, `${RUN}-0`, sealed);
    checkKeys(checked(JOB_KINDS.get(kind)?.result ?? jobResultSchema, result, "result"));
  };
}

function checkRun(payload: string): void {
  const { run, jobs, round } = openSealed(token, "job", runSchema, RUN, token.seal("job", payload));
  must(RUN_NAME.test(run) && jobs >= 1 && (round === undefined || RUN_NAME.test(round.training)), "no run");
}

function checkRunResult(payload: string): void {
  checkKeys(openSealed(token, "result", runResultSchema, RUN, token.seal("result", payload)));
}

/** Only what was sealed is believed: from anything else, however alike, nothing comes. */
function checkUnproven(bytes: Uint8Array): void {
  let data: unknown;
  try {
    data = JSON.parse(text(bytes)) as unknown;
  } catch {
    data = text(bytes);
  }
  // What people are shown without a token is read from anything, and never an error.
  for (const schema of [jobSchema, runSchema, jobResultSchema]) unproven<unknown>(schema, data);
  const job = openSealed(token, "job", jobSchema, `${RUN}-0`, data);
  must(isDeepStrictEqual(job, SEALED), "another job than was sealed");
}

/** Every place in the store that a value names lies inside it. */
function checkKeys(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value) as [string, unknown][]) {
    if (name === "key" && "sha256" in value)
      must(typeof inner === "string" && isStoreKey(inner), "a key that leads out");
    checkKeys(inner);
  }
}

/** JSON of the store that jobs read and leave, with the right digest: what the sender has written. */
export const storedWork: Target = {
  name: "stored-work",
  share: 40,
  open: () => {
    const samples: readonly { readonly tree: Tree; readonly schema: z.ZodType }[] = [
      { tree: treeOf(STORED.passages), schema: sentPassagesSchema },
      { tree: treeOf(STORED.answers), schema: answeredPassagesSchema },
      { tree: treeOf(STORED.documents), schema: sentDocumentsSchema },
      { tree: treeOf(STORED.compressed), schema: compressedDocumentsSchema },
      { tree: treeOf(STORED.tasks), schema: sentTasksSchema },
      { tree: treeOf({ rows: [], kept: ["{}"] }), schema: evalMeasuredSchema },
      { tree: treeOf(STORED.items), schema: sentItemsSchema },
      { tree: treeOf(STORED.batches), schema: sentBatchesSchema },
      { tree: treeOf(STORED.outcomes), schema: outcomesSchema.transform(checkOutcomes) },
    ];
    const make = (schema: z.ZodType, bytes: Uint8Array): Case =>
      bytesCase(bytes, async (given) => {
        const sha256 = createHash("sha256").update(given).digest("hex");
        const file = { key: `runs/${sha256}.json`, sha256, bytes: given.length };
        const value = checked(schema, await getJson(storeOf(given), file), file.key);
        checkKeys(value);
        must(typeof value === "object" && value !== null, "no value");
      });
    return Promise.resolve({
      make: (dice) => {
        const { tree, schema } = dice.pick(samples);
        const bytes = mutateJson(tree, dice);
        return make(schema, dice.chance(0.1) ? mutateBytes(bytes, dice) : bytes);
      },
      edges: function* () {
        for (const { tree, schema } of samples)
          for (const bytes of damages(Buffer.from(printTree(tree)))) yield make(schema, bytes);
      },
      close: () => Promise.resolve(),
    });
  },
};

/** A run's outcomes hold results of whatever shape, which their kind checks. */
function checkOutcomes(outcomes: z.infer<typeof outcomesSchema>): object {
  const { result } = JOB_KINDS.get("eval") ?? { result: jobResultSchema };
  return outcomes.map((outcome) => ("failure" in outcome ? outcome : checked(result, outcome.result, "result")));
}

/** A store that holds one file and is only read. */
function storeOf(bytes: Uint8Array): Store {
  const unused = (): never => {
    throw new Error("only read");
  };
  return {
    where: "store",
    put: unused,
    get: () => Promise.resolve(bytes),
    fetch: unused,
    list: unused,
    removeAll: unused,
    close: () => undefined,
  };
}
