import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncFolder } from "./atomic-file.ts";
import { diskError, isSystemError } from "./disk-error.ts";
import { KvDistillError } from "./errors.ts";
import { pathExists } from "./path-exists.ts";
import { removeStaleTemps, tempNameFor } from "./temp-name.ts";

export interface AtomicFolderOptions {
  /** Replace a folder that is already there. Without it an existing path is refused. */
  readonly replace?: boolean;
}

/**
 * Makes a whole folder or nothing: `fill` writes into a temporary folder beside `path`, which is then renamed.
 * With `replace`, the earlier folder is moved aside to `.NAME.previous`, the new one takes its place, and the earlier
 * one is deleted. A failure in between moves the earlier one back; after a crash there, the next call does.
 * @throws KvDistillError `bad-argument` when `path` exists and `replace` is not set, `disk`, `not-found`, or what `fill` throws.
 */
export async function writeFolderAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
  options: AtomicFolderOptions = {},
): Promise<void> {
  await restorePrevious(path);
  const exists = await pathExists(path);
  if (exists && options.replace !== true) {
    throw new KvDistillError("bad-argument", "the folder exists already", {
      where: path,
      hint: "choose another name, or ask for it to be replaced",
    });
  }
  await removeStaleTemps(path);
  const temp = tempNameFor(path);
  try {
    await mkdir(temp);
    await fill(temp);
    await syncFolder(temp);
    if (exists) await swap(temp, path);
    else await rename(temp, path);
  } catch (error) {
    await rm(temp, { recursive: true, force: true }).catch(() => undefined);
    throw isSystemError(error) ? diskError(error, path, "cannot write the folder") : error;
  }
  await syncFolder(dirname(path));
}

function previousNameFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.previous`);
}

/** Finishes what a crash inside `swap` left: the earlier folder moved aside and nothing, or the new one, in its place. */
async function restorePrevious(path: string): Promise<void> {
  const aside = previousNameFor(path);
  if (!(await pathExists(aside))) return;
  try {
    if (await pathExists(path)) await rm(aside, { recursive: true });
    else await rename(aside, path);
  } catch (error) {
    throw isSystemError(error) ? diskError(error, aside, "cannot restore the earlier folder") : error;
  }
}

async function swap(temp: string, path: string): Promise<void> {
  const aside = previousNameFor(path);
  await rename(path, aside);
  try {
    await rename(temp, path);
  } catch (error) {
    await rename(aside, path);
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}
