import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { diskError, systemCodeOf } from "../../util/disk-error.ts";
import { removeStaleTemps, tempNameFor, tempOwner } from "../../util/temp-name.ts";
import { cacheFolder } from "../home.ts";

/** Unfinished downloads are deleted after this long, and the oldest ones beyond this many. */
const KEPT_DAYS = 7;
const KEPT_COUNT = 4;

/** A folder in `downloads` that this process alone works in. */
export interface WorkFolder {
  readonly path: string;
  /** Ends the work: what is in the folder is kept for the next claim of the same key, or deleted. */
  readonly release: (keep: boolean) => Promise<void>;
}

/**
 * Claims the work folder of a key. A claimed folder carries the process in its name, and claiming is one rename, so two
 * processes never write into one folder: the second starts a folder of its own.
 * @param key a file name that says exactly what is downloaded, so that what is left of it can be gone on with
 * @param resume takes over what an earlier run left, be it released or killed; otherwise the folder is new and empty
 * @throws KvDistillError `disk`.
 */
export async function claimWorkFolder(key: string, resume: boolean): Promise<WorkFolder> {
  const downloads = await cacheFolder("downloads");
  const idle = join(downloads, key);
  const path = tempNameFor(idle);
  try {
    if (!resume) await removeStaleTemps(idle);
    if (!(resume && (await adopt(downloads, key, path)))) await mkdir(path);
    await removeOld(downloads);
  } catch (error) {
    throw diskError(error, path, "cannot make the folder");
  }
  const release = async (keep: boolean): Promise<void> => {
    if (keep && (await park(path, idle))) return;
    await rm(path, { recursive: true, force: true });
  };
  return { path, release };
}

/** Takes over an idle folder or that of a dead process by renaming it; false when there is none. */
async function adopt(downloads: string, key: string, path: string): Promise<boolean> {
  for (const name of await readdir(downloads)) {
    const owner = tempOwner(name);
    if (name !== key && (owner?.target !== key || owner.alive)) continue;
    try {
      await rename(join(downloads, name), path);
      return true;
    } catch (error) {
      if (systemCodeOf(error) !== "ENOENT") throw error; // another process was faster
    }
  }
  return false;
}

/** Leaves the folder for a later run; false when it is empty, or another run left one already. */
async function park(path: string, idle: string): Promise<boolean> {
  try {
    if ((await readdir(path)).length === 0) return false;
    await utimes(path, new Date(), new Date());
    await rename(path, idle);
    return true;
  } catch {
    return false;
  }
}

/** Bounds what unfinished downloads take; those of live processes stay. Failures to delete do no harm. */
async function removeOld(downloads: string): Promise<void> {
  const left: { path: string; changed: number }[] = [];
  for (const name of await readdir(downloads)) {
    if (tempOwner(name)?.alive === true) continue;
    const path = join(downloads, name);
    const changed = await lastChange(path);
    if (changed !== undefined) left.push({ path, changed });
  }
  left.sort((a, b) => b.changed - a.changed);
  const oldest = Date.now() - KEPT_DAYS * 24 * 3600 * 1000;
  for (const [index, { path, changed }] of left.entries()) {
    if (index < KEPT_COUNT && changed >= oldest) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** When a folder or a file in it was last written, in ms; undefined when it is gone meanwhile. */
async function lastChange(path: string): Promise<number | undefined> {
  const names = await readdir(path).catch(() => []);
  let last: number | undefined;
  for (const each of [path, ...names.map((name) => join(path, name))]) {
    const time = await stat(each).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
    if (time !== undefined) last = Math.max(last ?? 0, time);
  }
  return last;
}
