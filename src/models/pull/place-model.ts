import { rename } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { writeFolderAtomic } from "../../util/atomic-folder.ts";
import { pathExists } from "../../util/path-exists.ts";
import { cacheFolder } from "../home.ts";
import type { Fetched } from "./fetcher.ts";
import { PROVENANCE_FILE } from "./pulled-model.ts";

/**
 * Makes the pulled folder out of the files in the work folder, which are moved: whole or not at all. Without `replace`, one
 * that another process made meanwhile stays.
 * @throws KvDistillError `disk`.
 */
export async function placeModel(
  work: string,
  { files, provenance }: Fetched,
  folder: string,
  replace: boolean,
): Promise<void> {
  await cacheFolder("models");
  const fill = async (temp: string): Promise<void> => {
    for (const name of files) await rename(join(work, name), join(temp, name));
    const record = Buffer.from(`${JSON.stringify(provenance, undefined, 2)}\n`);
    await writeFileAtomic(join(temp, PROVENANCE_FILE), record);
  };
  await writeFolderAtomic(folder, fill, { replace }).catch(async (error: unknown) => {
    if (replace || !(await pathExists(folder))) throw error;
  });
}
