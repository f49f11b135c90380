import type { RoundedPrecision } from "../../models/precision/precision.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { changedSettings } from "../../util/changed-settings.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";
import type { DocumentSettings } from "./document.ts";

/** What decides the caches of a folder, beside their documents. */
export interface FolderIdentity {
  /** Of the caches' meaning. */
  readonly version: 1;
  readonly settings: DocumentSettings;
  readonly modelHash: string;
  readonly tokenizerHash: string;
  /** Absent: float32. */
  readonly precision?: RoundedPrecision;
  /** "none" without an adapter. */
  readonly adapterHash: string;
}

const MAX_BYTES = 1 << 20;

/**
 * Writes what decides a folder's caches, or sees that it is the same.
 * @throws KvDistillError `bad-argument` when the folder holds caches and `resume` is not set, or they were made otherwise; `bad-file`, `disk`
 */
export async function checkFolderConfig(path: string, identity: FolderIdentity, resume: boolean): Promise<void> {
  if (!(await pathExists(path))) {
    await writeFileAtomic(path, Buffer.from(`${JSON.stringify(identity, null, 2)}\n`));
    return;
  }
  if (!resume) {
    throw new KvDistillError("bad-argument", "the folder holds caches of an earlier run", {
      where: path,
      hint: "go on with it by --resume, or choose another folder",
    });
  }
  const found = parseStrictJson(await readTextFile(path, MAX_BYTES), path, { maxDepth: 4, maxKeys: 100 });
  if (!isJsonObject(found))
    throw new KvDistillError("bad-file", "not the settings of a folder of caches", { where: path });
  const wanted = JSON.parse(JSON.stringify(identity)) as Record<string, unknown>;
  const faults = changedSettings(found, wanted);
  if (faults.length === 0) return;
  throw new KvDistillError("bad-argument", "the folder's caches were made otherwise", {
    where: path,
    faults,
    hint: "resume with what it was begun with, or choose another folder",
  });
}
