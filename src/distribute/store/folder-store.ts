import { createReadStream } from "node:fs";
import { mkdir, readdir, realpath, rm, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { diskError, isSystemError, systemCodeOf } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { readRange } from "../../util/read-range.ts";
import { withFile } from "../../util/with-file.ts";
import { checkStoreKey } from "./key.ts";
import type { Store, StoredEntry } from "./store.ts";
import { tooLarge } from "./too-large.ts";

/**
 * A folder as a store; it is made when it is not there.
 * @throws KvDistillError `disk`
 */
export async function openFolderStore(folder: string): Promise<Store> {
  const root = await attempt(folder, "cannot open the store", async () => {
    await mkdir(folder, { recursive: true });
    return realpath(folder);
  });
  /** Where a key lies. A link among the folders that leads out of the store is no place in it. */
  const pathOf = async (key: string): Promise<string> => {
    const path = join(root, checkStoreKey(key));
    const holder = await nearestFolder(dirname(path));
    if (holder === root || holder.startsWith(root + sep)) return path;
    throw new KvDistillError("bad-argument", "a link leads out of the store", { where: path });
  };
  return {
    where: folder,
    put: async (key, content) => {
      const path = await pathOf(key);
      await attempt(path, "cannot make the folder", () => mkdir(dirname(path), { recursive: true }));
      await writeFileAtomic(await pathOf(key), content instanceof Uint8Array ? content : piecesOf(content.file));
    },
    get: async (key, maxBytes) => {
      const path = await pathOf(key);
      return withFile(path, (file, size) => {
        if (size > maxBytes) throw tooLarge(path, size, maxBytes);
        return readRange(file, 0, size, path);
      });
    },
    fetch: async (key, path) => writeFileAtomic(path, piecesOf(await pathOf(key))),
    list: async (folder) => {
      const path = dirname(await pathOf(`${folder}/file`));
      return attempt(path, "cannot list", () => filesBelow(path, root));
    },
    removeAll: async (key) => {
      const path = await pathOf(key);
      // A machine that is late may write into a folder while it is being deleted.
      const again = { maxRetries: 10, retryDelay: 50 };
      await attempt(path, "cannot delete", () => rm(path, { recursive: true, force: true, ...again }));
    },
    close: () => undefined,
  };
}

/** The folder, or the one above it that is there, with all links followed. */
async function nearestFolder(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  return real ?? (dirname(path) === path ? path : nearestFolder(dirname(path)));
}

async function filesBelow(path: string, root: string): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  for (const entry of await orNothing(readdir(path, { recursive: true, withFileTypes: true }))) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    // Files come and go while they are listed.
    for (const { size, mtimeMs } of await orNothing(stat(file).then((facts) => [facts]))) {
      entries.push({ key: relative(root, file).replaceAll(sep, "/"), bytes: size, changed: mtimeMs });
    }
  }
  return entries;
}

async function orNothing<T>(work: Promise<T[]>): Promise<T[]> {
  return work.catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw error;
  });
}

async function* piecesOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 22 }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot read the file") : error;
  }
}

async function attempt<T>(path: string, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, doing) : error;
  }
}
