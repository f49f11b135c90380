import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { FOLD_CUTS } from "../../cache/adapter.ts";
import { methodNamed } from "../../compress/methods/index.ts";
import { METRIC_NAMES } from "../../evaluate/metrics/names.ts";
import { conditionsOf } from "../../evaluate/run/conditions.ts";
import { MEASURED_METHOD_NAMES } from "../../evaluate/run/config.ts";
import { evaluatePassage } from "../../evaluate/run/evaluate-passage.ts";
import { openKeptFile } from "../../evaluate/run/kept-file.ts";
import {
  portablePassageSchema,
  type UnscoredRow,
  unscoredRow,
  unscoredRowSchema,
  unscoredTask,
} from "../../evaluate/run/portable-passage.ts";
import { SHORT_ANSWER } from "../../evaluate/tasks/squad.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { type ErrorCode, KvDistillError } from "../../util/errors.ts";
import { storedAdapterSchema } from "../store/adapter.ts";
import { getJson, putJson } from "../store/checked-file.ts";
import { storedFileSchema } from "../store/key.ts";
import { mayPass } from "../worker/faults.ts";
import type { JobKind } from "./kind.ts";
import { checked, type Failure } from "./payload.ts";

const count = z.int().min(0);

/** What all passages of an evaluation share. */
export const evalSettingsSchema = z.strictObject({
  methods: boundedList(z.enum(MEASURED_METHOD_NAMES as [string, ...string[]]), { least: 1 }),
  keeps: boundedList(z.number().gt(0).max(1), { least: 1 }),
  metrics: boundedList(z.enum(METRIC_NAMES as unknown as [(typeof METRIC_NAMES)[number]])),
  sinks: count,
  seed: count,
  /** Of the task, and of the run; see `answerLimit`. */
  taskMaxNewTokens: count.nullable(),
  maxNewTokens: count.nullable(),
  goldTokens: z.int().min(1),
  fold: z.int().min(1).nullable(),
  foldCut: z.enum(FOLD_CUTS),
});

/** Passages in the store. */
export const sentTasksSchema = boundedList(portablePassageSchema);

const workSchema = z.strictObject({
  settings: evalSettingsSchema,
  adapter: storedAdapterSchema.nullable(),
  /** JSON: `sentTasksSchema`. */
  passages: storedFileSchema,
});
export type EvalWork = Readonly<z.infer<typeof workSchema>>;

/** JSON in the store: `evalMeasuredSchema`. */
const resultSchema = z.strictObject({ measured: storedFileSchema });
export const evalMeasuredSchema = z.strictObject({
  rows: boundedList(unscoredRowSchema),
  kept: boundedList(z.string()),
});

/** Questions that fail are told in their rows, as on one machine. A failure that may pass fails the job, to be tried again. */
export const EVAL_JOB: JobKind<EvalWork, z.infer<typeof resultSchema>> = {
  name: "eval",
  work: workSchema,
  result: resultSchema,
  run: async ({ settings, adapter: stored, passages: file }, context) => {
    const { model, store, folder, scratch, adapter, signal } = context;
    const passages = checked(sentTasksSchema, await getJson(store, file), file.key);
    const { methods: names, keeps, metrics, fold, taskMaxNewTokens, ...rest } = settings;
    const loaded = stored === null ? undefined : await adapter(stored);
    const keptPath = join(scratch, "kept.jsonl");
    const kept = await openKeptFile(keptPath);
    const rows: UnscoredRow[] = [];
    /** By passage. */
    const passing = new Map<string, Failure>();
    try {
      const setup = {
        model,
        // Each passage brings its own style.
        task: { style: SHORT_ANSWER, metrics, maxNewTokens: taskMaxNewTokens },
        methods: new Map(names.map((name) => [name, methodNamed(name, loaded)])),
        conditions: conditionsOf(names, keeps),
        ...rest,
        ...(fold === null ? {} : { fold }),
        kept,
        signal,
      };
      for (const passage of passages) {
        const task = unscoredTask(passage, metrics);
        for await (const batch of evaluatePassage(setup, task, () => true)) {
          rows.push(...batch.map(unscoredRow));
          for (const { passage: index, failure } of batch) {
            if (failure !== undefined && mayPass(failure)) passing.set(String(index), failure);
          }
        }
      }
    } finally {
      await kept.close();
    }
    for (const [name, { code, message }] of passing) {
      // Rows have the codes of this program's errors.
      if (!context.lastAttempt) throw new KvDistillError(code as ErrorCode, message, { where: `passage ${name}` });
      context.pieceFailed(name, { code, message });
    }
    const lines = (await readFile(keptPath, "utf8")).split("\n").slice(0, -1);
    return { measured: await putJson(store, `${folder}/results`, { rows, kept: lines }) };
  },
};
