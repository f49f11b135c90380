import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { DataCursor } from "../data/batches.ts";
import { openSafetensors } from "../formats/safetensors/open.ts";
import { type TensorSource, writeSafetensors } from "../formats/safetensors/write.ts";
import { writeFileAtomic } from "../util/atomic-file.ts";
import { writeFolderAtomic } from "../util/atomic-folder.ts";
import { diskError, isSystemError, systemCodeOf } from "../util/disk-error.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { quote } from "../util/quote.ts";
import { removeStaleTemps, tempNameFor } from "../util/temp-name.ts";
import type { Moments } from "./adamw.ts";
import { checkIdentity, type Manifest, readManifest, type RunIdentity } from "./checkpoint-manifest.ts";
import { parameterTensors, readParameterTensors } from "./parameter-file.ts";
import type { Parameters } from "./parameters.ts";

export type { RunIdentity } from "./checkpoint-manifest.ts";

/** All that a run needs to go on as if it had never stopped (docs/formats/checkpoint.md). */
export interface TrainingState {
  /** Optimiser steps done. */
  readonly step: number;
  readonly parameters: Parameters;
  readonly moments: Moments;
  /** Where the data stands; left out before the first step. */
  readonly cursor?: DataCursor;
  /** Of a run in parts (`diloco`). */
  readonly parts?: readonly PartState[];
}

/** One of the parts that a run's data is cut into, each with moments of its own. */
export interface PartState {
  /** Its optimiser steps so far. */
  readonly steps: number;
  readonly cursor?: DataCursor;
  /** Its moments, as a file of this machine; none before its first step. */
  readonly file?: string;
}

const MANIFEST = "checkpoint.json";
const STATE = "state.safetensors";
const KEPT_CHECKPOINTS = 2;

/**
 * Writes `<folder>/step-<n>` whole or not at all, then removes all but the two newest.
 * @throws KvDistillError `disk`
 */
export async function saveCheckpoint(
  folder: string,
  { cursor, parts, ...state }: TrainingState,
  identity: RunIdentity,
): Promise<void> {
  const path = join(folder, `step-${state.step}`);
  await writeFolderAtomic(
    path,
    async (temp) => {
      await writeSafetensors(join(temp, STATE), stateTensors(state));
      const manifest: Manifest = {
        format: "kv-distill checkpoint",
        version: 1,
        step: state.step,
        ...storedCursor(cursor),
        ...(parts === undefined ? {} : { parts: await saveParts(temp, parts) }),
        ...identity,
        stateSha256: await sha256Of(join(temp, STATE)),
      };
      // The manifest comes last: a folder with one is complete.
      await writeFileAtomic(join(temp, MANIFEST), Buffer.from(JSON.stringify(manifest, null, 2)));
    },
    { replace: true },
  );
  await removeOld(folder);
}

/**
 * The newest complete checkpoint; a damaged one is passed over for the one before, and told to `onDamaged`.
 * @returns undefined when there is none at all
 * @throws KvDistillError `model-mismatch` when it was made with another model, configuration or data, `bad-file` when every one is
 * damaged, `disk` when the folder cannot be read
 */
export async function loadCheckpoint(
  folder: string,
  identity: RunIdentity,
  onDamaged: (error: KvDistillError) => void,
): Promise<TrainingState | undefined> {
  const steps = await checkpointSteps(folder);
  const damage: string[] = [];
  const pass = (error: unknown): undefined => {
    if (!(error instanceof KvDistillError)) throw error;
    damage.push(error.message);
    onDamaged(error);
    return undefined;
  };
  for (const step of steps) {
    const path = join(folder, `step-${step}`);
    const manifest = await readManifest(join(path, MANIFEST)).catch(pass);
    if (manifest === undefined) continue;
    checkIdentity(path, manifest, identity);
    const state = await readState(path, manifest).catch(pass);
    if (state !== undefined) return state;
  }
  if (damage.length === 0) return undefined;
  throw new KvDistillError("bad-file", "every checkpoint is damaged", {
    where: folder,
    faults: damage,
    hint: "restore one from a copy, or train into another folder",
  });
}

/**
 * Steps of the checkpoints in a folder, newest first; none when there is no such folder.
 * @throws KvDistillError `disk`
 */
export async function checkpointSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw diskError(error, folder, "cannot read the folder of checkpoints");
  });
  return names.flatMap((name) => (/^step-\d+$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => b - a);
}

/**
 * Makes the folder as if the run had ended at `step`: newer checkpoints, which are damaged, become `damaged-step-<n>`; too old ones and
 * what killed processes left half-written or half-deleted goes.
 * @throws KvDistillError `disk`
 */
export async function tidyCheckpoints(folder: string, step: number): Promise<void> {
  for (const newer of (await checkpointSteps(folder)).filter((found) => found > step)) {
    const aside = join(folder, `damaged-step-${newer}`);
    try {
      await rm(aside, { recursive: true, force: true });
      await rename(join(folder, `step-${newer}`), aside);
    } catch (error) {
      throw isSystemError(error) ? diskError(error, aside, "cannot set a damaged checkpoint aside") : error;
    }
  }
  await removeOld(folder);
  const names = await readdir(folder).catch(() => []);
  const stems = names.flatMap((name) => /^\.(step-\d+)\./.exec(name)?.[1] ?? []);
  for (const stem of new Set(stems)) await removeStaleTemps(join(folder, stem));
}

function storedCursor(cursor: DataCursor | undefined): Pick<Manifest, "cursor"> {
  if (cursor === undefined) return {};
  const { words } = cursor.random;
  return {
    cursor: { ...cursor, random: { algorithm: "xoshiro128**", words: [words[0], words[1], words[2], words[3]] } },
  };
}

const partFile = (part: number): string => `part-${part}.safetensors`;

async function saveParts(temp: string, parts: readonly PartState[]): Promise<NonNullable<Manifest["parts"]>> {
  const saved: NonNullable<Manifest["parts"]>[number][] = [];
  for (const [part, { steps, cursor, file }] of parts.entries()) {
    const path = join(temp, partFile(part));
    if (file !== undefined) await writeFileAtomic(path, createReadStream(file) as AsyncIterable<Uint8Array>);
    const sum = file === undefined ? {} : { sha256: await sha256Of(path) };
    saved.push({ steps, ...storedCursor(cursor), ...sum });
  }
  return saved;
}

async function readParts(path: string, parts: NonNullable<Manifest["parts"]>): Promise<PartState[]> {
  const found: PartState[] = [];
  for (const [part, { steps, cursor, sha256 }] of parts.entries()) {
    const file = join(path, partFile(part));
    if (sha256 !== undefined) await checkDigest(file, sha256, "a part's file");
    found.push({
      steps,
      ...(cursor === undefined ? {} : { cursor }),
      ...(sha256 === undefined ? {} : { file }),
    });
  }
  return found;
}

async function checkDigest(where: string, expected: string, what: string): Promise<void> {
  const got = await sha256Of(where).catch((cause: unknown) => {
    throw new KvDistillError("bad-file", `${what} cannot be read`, { where, cause });
  });
  if (got === expected) return;
  throw new KvDistillError("checksum-mismatch", "the checkpoint is damaged", { where, expected, got });
}

async function removeOld(folder: string): Promise<void> {
  const steps = await checkpointSteps(folder);
  for (const step of steps.slice(KEPT_CHECKPOINTS)) await removeWhole(join(folder, `step-${step}`));
}

/** Renamed first, so that no half-deleted folder looks like a checkpoint. */
async function removeWhole(path: string): Promise<void> {
  const aside = tempNameFor(path);
  try {
    await rename(path, aside);
    await rm(aside, { recursive: true });
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot delete an old checkpoint") : error;
  }
}

function stateTensors({ parameters, moments }: TrainingState): TensorSource[] {
  return [
    ...parameterTensors("weight.", parameters),
    ...parameterTensors("first.", moments.first),
    ...parameterTensors("second.", moments.second),
  ];
}

async function readState(folder: string, { step, cursor, parts, stateSha256 }: Manifest): Promise<TrainingState> {
  const where = join(folder, STATE);
  await checkDigest(where, stateSha256, "the checkpoint's state");
  const file = await openSafetensors(where);
  const [parameters, first, second] = [
    await readParameterTensors(file, "weight."),
    await readParameterTensors(file, "first."),
    await readParameterTensors(file, "second."),
  ];
  checkState(parameters, [first, second], file.entries.size, where);
  return {
    step,
    parameters,
    moments: { first, second },
    ...(cursor === undefined ? {} : { cursor }),
    ...(parts === undefined ? {} : { parts: await readParts(folder, parts) }),
  };
}

/** Every parameter has both moments, shaped as it is, and there is nothing else. */
function checkState(parameters: Parameters, moments: readonly Parameters[], tensors: number, where: string): void {
  const faults = [...parameters].flatMap(([name, { dims }]) =>
    moments.every((moment) => moment.get(name)?.dims.join() === dims.join()) ? [] : [`${quote(name)}: moments`],
  );
  if (parameters.size === 0) faults.push("there are no parameters");
  if (tensors !== parameters.size * (1 + moments.length))
    faults.push(`${tensors} tensors of ${parameters.size} parameters`);
  if (faults.length === 0) return;
  throw new KvDistillError("bad-file", "the checkpoint's tensors do not belong together", {
    where,
    faults: faultList(faults),
  });
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
