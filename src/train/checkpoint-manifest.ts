import { readFile } from "node:fs/promises";
import { z } from "zod";
import { KvDistillError } from "../util/errors.ts";
import { parseRecordedConfig, type TrainConfig } from "./config.ts";

/** What a checkpoint was made with; a run resumes only under the same. */
export interface RunIdentity {
  readonly config: TrainConfig;
  readonly modelHash: string;
  readonly dataHash: string;
}

const cursor = z
  .strictObject({
    epoch: z.int().min(0),
    position: z.int().min(0),
    random: z.strictObject({
      algorithm: z.literal("xoshiro128**"),
      words: z.tuple([z.int(), z.int(), z.int(), z.int()]),
    }),
  })
  .optional();

const ManifestSchema = z.strictObject({
  format: z.literal("kv-distill checkpoint"),
  version: z.literal(1),
  step: z.int().min(0),
  cursor,
  /** Of a run in parts: where each stands, and the sha256 of its file, when it has one. */
  parts: z
    .array(z.strictObject({ steps: z.int().min(0), cursor, sha256: z.string().optional() }))
    .max(10_000)
    .optional(),
  config: z.record(z.string(), z.unknown()),
  modelHash: z.string(),
  dataHash: z.string(),
  stateSha256: z.string(),
});

/** The file that makes a folder a checkpoint (docs/formats/checkpoint.md). */
export type Manifest = z.infer<typeof ManifestSchema>;

/** @throws KvDistillError `bad-file` */
export async function readManifest(where: string): Promise<Manifest> {
  const text = await readFile(where, "utf8").catch((cause: unknown) => {
    throw new KvDistillError("bad-file", "the checkpoint has no manifest", { where, cause });
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

/**
 * @throws KvDistillError `model-mismatch` naming everything that differs, `bad-argument` when the run had a setting that is no more
 */
export function checkIdentity(where: string, found: Manifest, wanted: RunIdentity): void {
  const config = parseRecordedConfig(found.config, `${where}: configuration of the run`);
  const faults = (Object.keys(wanted.config) as (keyof TrainConfig)[])
    .filter((key) => config[key] !== wanted.config[key])
    .map((key) => `${key}: ${String(config[key])} in the run, ${String(wanted.config[key])} now`);
  if (found.modelHash !== wanted.modelHash)
    faults.push(`model: ${found.modelHash} in the run, ${wanted.modelHash} now`);
  if (found.dataHash !== wanted.dataHash) faults.push(`data: ${found.dataHash} in the run, ${wanted.dataHash} now`);
  if (faults.length > 0) {
    throw new KvDistillError("model-mismatch", "the checkpoint belongs to another run", {
      where,
      faults,
      hint: "resume with what the run began with, or train into another folder",
    });
  }
}
