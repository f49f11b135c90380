import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { DataCursor } from "../data/batches.ts";
import { openSafetensors } from "../formats/safetensors/open.ts";
import { readTensorFloats } from "../formats/safetensors/read.ts";
import { type TensorSource, writeSafetensors } from "../formats/safetensors/write.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { writeFileAtomic } from "../util/atomic-file.ts";
import { writeFolderAtomic } from "../util/atomic-folder.ts";
import { KvDistillError } from "../util/errors.ts";
import type { Moments } from "./adamw.ts";
import type { Parameters } from "./parameters.ts";

/** All that a run needs to go on as if it had never stopped (docs/formats/checkpoint.md). */
export interface TrainingState {
  /** Optimiser steps done. */
  readonly step: number;
  readonly parameters: Parameters;
  readonly moments: Moments;
  readonly cursor: DataCursor;
}

/** What a checkpoint was made with; a run resumes only under the same. */
export interface RunIdentity {
  readonly configHash: string;
  readonly modelHash: string;
  readonly dataHash: string;
}

const MANIFEST = "checkpoint.json";
const STATE = "state.safetensors";
const KEPT_CHECKPOINTS = 2;

const ManifestSchema = z.strictObject({
  format: z.literal("kv-distill checkpoint"),
  version: z.literal(1),
  step: z.int().min(0),
  cursor: z.strictObject({
    epoch: z.int().min(0),
    position: z.int().min(0),
    random: z.strictObject({
      algorithm: z.literal("xoshiro128**"),
      words: z.tuple([z.int(), z.int(), z.int(), z.int()]),
    }),
  }),
  configHash: z.string(),
  modelHash: z.string(),
  dataHash: z.string(),
  stateSha256: z.string(),
});

/**
 * Writes `<folder>/step-<n>` whole or not at all, then removes all but the two newest.
 * @throws KvDistillError `disk`
 */
export async function saveCheckpoint(folder: string, state: TrainingState, identity: RunIdentity): Promise<void> {
  const path = join(folder, `step-${state.step}`);
  await writeFolderAtomic(
    path,
    async (temp) => {
      await writeSafetensors(join(temp, STATE), stateTensors(state));
      const manifest: z.infer<typeof ManifestSchema> = {
        format: "kv-distill checkpoint",
        version: 1,
        step: state.step,
        cursor: { ...state.cursor, random: { algorithm: "xoshiro128**", words: [...state.cursor.random.words] } },
        ...identity,
        stateSha256: await sha256Of(join(temp, STATE)),
      };
      // The manifest comes last: a folder with one is complete.
      await writeFileAtomic(join(temp, MANIFEST), Buffer.from(JSON.stringify(manifest, null, 2)));
    },
    { replace: true },
  );
  const steps = await checkpointSteps(folder);
  for (const step of steps.slice(KEPT_CHECKPOINTS)) await rm(join(folder, `step-${step}`), { recursive: true });
}

/**
 * The newest complete checkpoint; a damaged one is passed over for the one before, and told to `onDamaged`.
 * @throws KvDistillError `model-mismatch` or `bad-argument` when it was made with another model, configuration or data.
 */
export async function loadCheckpoint(
  folder: string,
  identity: RunIdentity,
  onDamaged: (error: KvDistillError) => void,
): Promise<TrainingState | undefined> {
  for (const step of await checkpointSteps(folder)) {
    const path = join(folder, `step-${step}`);
    const manifest = await readManifest(path).catch(damaged(onDamaged));
    if (manifest === undefined) continue;
    checkIdentity(path, manifest, identity);
    const state = await readState(path, manifest).catch(damaged(onDamaged));
    if (state !== undefined) return state;
  }
  return undefined;
}

/** Steps of the checkpoints in a folder, newest first. */
export async function checkpointSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => (/^step-\d+$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => b - a);
}

const damaged =
  (report: (error: KvDistillError) => void) =>
  (error: unknown): undefined => {
    if (!(error instanceof KvDistillError)) throw error;
    report(error);
    return undefined;
  };

function stateTensors({ parameters, moments }: TrainingState): TensorSource[] {
  const sources = (prefix: string, values: Parameters): TensorSource[] =>
    [...values].map(([name, { dims, data }]) => ({
      name: prefix + name,
      dtype: "F32" as const,
      shape: dims,
      bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    }));
  return [
    ...sources("weight.", parameters),
    ...sources("first.", moments.first),
    ...sources("second.", moments.second),
  ];
}

async function readManifest(path: string): Promise<z.infer<typeof ManifestSchema>> {
  const where = join(path, MANIFEST);
  const text = await readFile(where, "utf8").catch((cause: unknown) => {
    throw new KvDistillError("bad-file", "the checkpoint has no manifest", { where: path, cause });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new KvDistillError("bad-file", "the manifest is not JSON", { where, cause });
  }
  const result = ManifestSchema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new KvDistillError("bad-file", "the manifest is wrong", { where, faults });
}

function checkIdentity(path: string, found: RunIdentity, wanted: RunIdentity): void {
  const names = { configHash: "configuration", modelHash: "model", dataHash: "data" } as const;
  const faults = (Object.keys(names) as (keyof RunIdentity)[])
    .filter((key) => found[key] !== wanted[key])
    .map((key) => `${names[key]}: expected ${wanted[key]}, got ${found[key]}`);
  if (faults.length > 0) {
    throw new KvDistillError("model-mismatch", "the checkpoint belongs to another run", {
      where: path,
      faults,
      hint: "resume with what the run began with, or train into another folder",
    });
  }
}

async function readState(path: string, manifest: z.infer<typeof ManifestSchema>): Promise<TrainingState> {
  const where = join(path, STATE);
  const actual = await sha256Of(where).catch((cause: unknown) => {
    throw new KvDistillError("bad-file", "the checkpoint's state cannot be read", { where, cause });
  });
  if (actual !== manifest.stateSha256) {
    throw new KvDistillError("checksum-mismatch", "the checkpoint is damaged", {
      where,
      expected: manifest.stateSha256,
      got: actual,
    });
  }
  const { entries } = await openSafetensors(where);
  const groups = { weight: new Map<string, Tensor<"float32">>(), first: new Map(), second: new Map() } as Record<
    "weight" | "first" | "second",
    Map<string, Tensor<"float32">>
  >;
  for (const [name, entry] of entries) {
    const dot = name.indexOf(".");
    const group = groups[name.slice(0, dot) as keyof typeof groups];
    group.set(name.slice(dot + 1), tensor("float32", entry.shape, await readTensorFloats(entry)));
  }
  return { step: manifest.step, cursor: manifest.cursor, parameters: groups.weight, moments: groups };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
