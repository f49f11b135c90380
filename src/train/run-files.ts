import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { boundedList } from "../util/bounded-list.ts";
import { writeFileAtomic } from "../util/atomic-file.ts";
import { diskError } from "../util/disk-error.ts";
import { isKvDistillError, KvDistillError } from "../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { parseRecordedConfig, type TrainConfig } from "./config.ts";

const SessionSchema = z.strictObject({
  startedAt: z.iso.datetime(),
  /** Steps that were done before. */
  fromStep: z.int().min(0),
  /** Name and version of the package. */
  program: z.string(),
  node: z.string(),
  platform: z.string(),
  threads: z.int().min(1),
  /** As typed; empty for a run that the library started. */
  command: boundedList(z.string()),
});

const RecordSchema = z.strictObject({
  format: z.literal("kv-distill training run"),
  version: z.literal(1),
  /** The name or path that it was opened by, and its hash. */
  model: z.strictObject({ name: z.string(), hash: z.string() }),
  data: z.strictObject({
    files: boundedList(z.string(), { least: 1 }),
    /** Passages with their questions, as trained on. */
    examples: z.int().min(1),
    hash: z.string(),
  }),
  /** Folder of the adapter that the run started from, if any. */
  init: z.string().optional(),
  /** Every start of the program on this run, the first included. */
  sessions: boundedList(SessionSchema, { least: 1 }),
});

/** `run.json`: what a run was made from and every command that went on with it. */
export type RunRecord = z.infer<typeof RecordSchema>;
export type RunSession = z.infer<typeof SessionSchema>;

const CONFIG = "config.json";
const RECORD = "run.json";

/** What `nextRunRecord` is told of the start of the program that it is called in. */
export interface RunFacts extends Pick<RunRecord, "model" | "data" | "init"> {
  /** The run goes on from a checkpoint. */
  readonly resumed: boolean;
  readonly session: Omit<RunSession, "startedAt" | "program" | "node" | "platform">;
}

/**
 * The record of a run with one more session; a run that goes on keeps what it was first made from.
 * @throws KvDistillError `bad-file` when there is a record that cannot be read, `disk`
 */
export async function nextRunRecord(folder: string, { resumed, session, ...facts }: RunFacts): Promise<RunRecord> {
  const now: RunSession = {
    startedAt: new Date().toISOString(),
    program: PACKAGE_NAME_AND_VERSION,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    ...session,
  };
  const first: RunRecord = { format: "kv-distill training run", version: 1, ...facts, sessions: [now] };
  if (!resumed) return first;
  const before = await readRunRecord(folder).catch((error: unknown) => {
    if (isKvDistillError(error) && error.code === "not-found") return undefined;
    throw error;
  });
  return before === undefined ? first : { ...before, sessions: [...before.sessions, now] };
}

/**
 * `config.json` holds the resolved configuration and nothing else, so that it can be given to another run.
 * @throws KvDistillError `disk`
 */
export async function writeRunFiles(folder: string, config: TrainConfig, record: RunRecord): Promise<void> {
  const write = (name: string, value: object): Promise<void> =>
    writeFileAtomic(join(folder, name), Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
  await write(CONFIG, config);
  await write(RECORD, record);
}

/** @throws KvDistillError `not-found` when the folder holds no run, `bad-file`, `disk` */
export async function readRunRecord(folder: string): Promise<RunRecord> {
  const where = join(folder, RECORD);
  const result = RecordSchema.safeParse(await readJson(where, "no training run lies here"));
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new KvDistillError("bad-file", "the run's record is wrong", { where, faults });
}

/** @throws KvDistillError `not-found`, `bad-file`, `bad-argument` for settings that are no more, `disk` */
export async function readRunConfig(folder: string): Promise<TrainConfig> {
  const where = join(folder, CONFIG);
  return parseRecordedConfig(await readJson(where, "no training run lies here"), where);
}

async function readJson(path: string, missing: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw diskError(error, path, missing);
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KvDistillError("bad-file", "the file is not JSON", { where: path, cause });
  }
}
