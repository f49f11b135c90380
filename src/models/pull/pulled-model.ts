import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { diskError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import { pulledFolder } from "../loading/resolve.ts";

/** Where a pulled model came from: kept in its folder as source.json. */
export interface PullProvenance {
  readonly kind: "huggingface-hub" | "python-package" | "huggingface-folder" | "gguf-file";
  /** `org/model`, a pip requirement, or an absolute path. */
  readonly from: string;
  /** Hub only: the branch, tag or commit that was asked for, and the commit that it was. */
  readonly revision?: string | undefined;
  readonly commit?: string | undefined;
  readonly licence?: string | undefined;
}

export interface PulledModel {
  readonly name: string;
  readonly folder: string;
  /** Of all its files. */
  readonly bytes: number;
  /** Undefined for folders that this package did not make. */
  readonly source: PullProvenance | undefined;
}

export const PROVENANCE_FILE = "source.json";

const provenanceSchema = z.object({
  kind: z.enum(["huggingface-hub", "python-package", "huggingface-folder", "gguf-file"]),
  from: z.string(),
  revision: z.string().optional(),
  commit: z.string().optional(),
  licence: z.string().optional(),
});

/**
 * A model that was pulled, by its name; undefined when there is none.
 * @throws KvDistillError `disk`, `bad-file` when its source.json is damaged.
 */
export async function findPulled(name: string): Promise<PulledModel | undefined> {
  const folder = pulledFolder(name);
  if (!(await pathExists(folder))) return undefined;
  return { name, folder, bytes: await folderBytes(folder), source: await readProvenance(folder) };
}

/** @throws KvDistillError `disk`. */
async function folderBytes(folder: string): Promise<number> {
  try {
    let bytes = 0;
    for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
    return bytes;
  } catch (error) {
    throw diskError(error, folder, "cannot look into the folder");
  }
}

async function readProvenance(folder: string): Promise<PullProvenance | undefined> {
  const path = join(folder, PROVENANCE_FILE);
  if (!(await pathExists(path))) return undefined;
  const json = parseStrictJson(await readTextFile(path, 1 << 20), path, { maxDepth: 4, maxKeys: 1000 });
  const result = provenanceSchema.safeParse(json);
  if (result.success) return result.data;
  throw new KvDistillError("bad-file", "not the record of a pulled model", {
    where: path,
    faults: result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
    hint: "pull the model again with --replace",
  });
}
