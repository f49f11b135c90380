import { constants, createReadStream } from "node:fs";
import { copyFile, link, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { shardNames } from "../../formats/safetensors/sharded.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { diskError, isSystemError, systemCodeOf } from "../../util/disk-error.ts";
import { requireRoom } from "../../util/disk-room.ts";
import { PULLED_GGUF } from "../loading/resolve.ts";
import type { FetchContext, Fetched, Fetcher } from "./fetcher.ts";
import { folderLicence, ggufLicence } from "./licence.ts";
import type { PullSource } from "./pull-source.ts";
import { SINGLE_WEIGHTS, wantedFiles } from "./wanted-files.ts";

type LocalSource = PullSource & { readonly kind: "local" };

/** One file to bring over: an absolute path without links, and its name in the pulled folder. */
interface Part {
  readonly from: string;
  readonly name: string;
}

/**
 * A Hugging Face folder or a .gguf file of this machine. Weights are hard-linked where the file system can, so that they take
 * no room and outlive the original; otherwise, and for the small files always, they are copied.
 */
export function fetcherFromLocal(source: LocalSource, key: string, context: FetchContext): Fetcher {
  const fill = source.format === "gguf" ? fillFromGguf : fillFromFolder;
  return { key, resumable: false, fill: (folder) => fill(source.path, folder, context) };
}

async function fillFromGguf(path: string, folder: string, context: FetchContext): Promise<Fetched> {
  const from = await real(path);
  const licence = await ggufLicence(from);
  await bringWeights([{ from, name: PULLED_GGUF }], folder, path, context);
  return { files: [PULLED_GGUF], provenance: { kind: "gguf-file", from: path, licence } };
}

async function fillFromFolder(path: string, folder: string, context: FetchContext): Promise<Fetched> {
  const names = await readdir(path).catch((error: unknown) => {
    throw diskError(error, path, "cannot list the folder");
  });
  const { texts, weights } = wantedFiles(new Set(names), path);
  const single = weights === SINGLE_WEIGHTS;
  const small = single ? texts : [...texts, weights];
  for (const name of small) await copySmall(join(path, name), join(folder, name));
  const large = single ? [weights] : await shardNames(join(folder, weights));
  const parts: Part[] = [];
  for (const name of large) parts.push({ from: await real(join(path, name)), name });
  await bringWeights(parts, folder, path, context);
  const licence = await folderLicence(path);
  return { files: [...small, ...large], provenance: { kind: "huggingface-folder", from: path, licence } };
}

async function copySmall(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL);
  } catch (error) {
    throw diskError(error, from, "cannot copy the file");
  }
}

/** Links what can be linked and copies the rest. */
async function bringWeights(
  parts: readonly Part[],
  folder: string,
  item: string,
  { reporter, signal }: FetchContext,
): Promise<void> {
  const left: Part[] = [];
  for (const part of parts) if (!(await tryLink(part.from, join(folder, part.name)))) left.push(part);
  let total = 0;
  for (const { from } of left) total += (await stat(from)).size;
  await requireRoom(folder, total, item);
  let done = 0;
  async function* read(from: string): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of createReadStream(from, { highWaterMark: 1 << 22 }) as AsyncIterable<Buffer>) {
        signal?.throwIfAborted();
        yield chunk;
        done += chunk.length;
        reporter.onProgress?.({ step: "download", item, done, total });
      }
    } catch (error) {
      throw isSystemError(error) ? diskError(error, from, "cannot read the file") : error;
    }
  }
  for (const { from, name } of left) await writeFileAtomic(join(folder, name), read(from));
}

/** Another file system, one without hard links, too many links, or a file that this user may not link. */
const CANNOT_LINK = new Set(["EXDEV", "EPERM", "EACCES", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (CANNOT_LINK.has(systemCodeOf(error) ?? "")) return false;
    throw diskError(error, from, "cannot link the file");
  }
}

async function real(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw diskError(error, path, "cannot follow the path");
  }
}
