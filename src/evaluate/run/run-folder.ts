import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { diskError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";
import { identityDifferences, identityHash, type RunIdentity } from "./config.ts";
import { KEPT_FILE, type KeptFile, openKeptFile } from "./kept-file.ts";
import type { CodeVersion } from "./machine.ts";
import { openRowFile, type RowFile } from "./row-file.ts";

export const CONFIG_FILE = "config.json";
export const ROWS_FILE = "samples.jsonl";
const MAX_CONFIG_BYTES = 1 << 20;

/** What config.json says of the code that began the run. */
export interface RunStart {
  readonly rows: RowFile;
  readonly kept: KeptFile;
  readonly code: CodeVersion | undefined;
}

/**
 * Opens the folder of a run: a new one, or one to go on with.
 * @throws KvDistillError `bad-argument` when it holds a run and `resume` is not set, or was begun with other settings; `bad-file`, `disk`
 */
export async function openRunFolder(
  folder: string,
  identity: RunIdentity,
  code: CodeVersion,
  resume: boolean,
): Promise<RunStart> {
  const config = join(folder, CONFIG_FILE);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw diskError(error, folder, "cannot make the folder");
  }
  const begun = await pathExists(config);
  if (begun && !resume) {
    throw new KvDistillError("bad-argument", "the folder holds an evaluation", {
      where: folder,
      hint: "go on with it by --resume, or choose another folder",
    });
  }
  if (!begun && (await pathExists(join(folder, ROWS_FILE)))) {
    throw new KvDistillError("bad-file", "the folder holds rows without the settings that they were made with", {
      where: folder,
      expected: CONFIG_FILE,
    });
  }
  let earlier: CodeVersion | undefined;
  if (begun) earlier = await checkConfig(config, identity);
  else {
    const text = JSON.stringify({ identityHash: identityHash(identity), identity, code }, null, 2);
    await writeFileAtomic(config, Buffer.from(`${text}\n`));
  }
  const rows = await openRowFile(join(folder, ROWS_FILE));
  try {
    return { rows, kept: await openKeptFile(join(folder, KEPT_FILE)), code: earlier };
  } catch (error) {
    await rows.close();
    throw error;
  }
}

async function checkConfig(path: string, identity: RunIdentity): Promise<CodeVersion | undefined> {
  const found = await readRunConfig(path);
  if (found.identityHash === identityHash(identity)) return found.code;
  throw new KvDistillError("bad-argument", "the evaluation was begun with other settings", {
    where: path,
    faults: identityDifferences(found.identity, identity),
    hint: "resume with what it was begun with, or choose another folder",
  });
}

/** What a run was begun with. */
export interface RunConfig {
  readonly identityHash: string;
  readonly identity: RunIdentity;
  readonly code: CodeVersion | undefined;
}

/**
 * The config.json of a run, finished or not.
 * @throws KvDistillError `bad-file`, `disk`
 */
export async function readRunConfig(path: string): Promise<RunConfig> {
  const text = await readTextFile(path, MAX_CONFIG_BYTES);
  const found = parseStrictJson(text, path, { maxDepth: 8, maxKeys: 1000 });
  const { identityHash: hash, identity, code } = isJsonObject(found) ? found : {};
  if (typeof hash !== "string" || !isJsonObject(identity) || !isJsonObject(identity.config)) {
    throw new KvDistillError("bad-file", "not the settings of an evaluation", { where: path });
  }
  // Read to be compared with settings of this program, field by field.
  return { identityHash: hash, identity: identity as unknown as RunIdentity, code: code as CodeVersion | undefined };
}
