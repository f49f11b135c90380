import type { Stats } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { diskError, isSystemError, systemCodeOf } from "../../../util/disk-error.ts";
import { KvDistillError, messageOf } from "../../../util/errors.ts";
import { firstBytes, isGzip, packingFault, unpacked } from "../../read-bytes.ts";

/** A file of rows, wherever it lies. */
export interface InputFile {
  /** Path for people; a file in an archive comes after the archive's path. */
  readonly name: string;
  /** Content as a stream, gzip and zip unpacked; may be opened again and again. Undefined for parquet. */
  readonly bytes?: () => AsyncIterable<Buffer>;
  /** Where a parquet file lies. */
  readonly parquet?: string;
  /** Set instead when the file cannot be read. */
  readonly fault?: string;
}

/** What counts as a file of rows in a folder or an archive; a path that is named itself may be called anything. */
const DATA_FILE = /\.(?:jsonl?|ndjson|parquet|zip|train|dev|test)(?:\.gz)?$/i;
/** Of this package and of the hub: descriptions, not rows. */
const NOT_DATA = /^(?:\..*|source\.json|dataset_infos?\.json|package\.json)$/i;
const DEEPEST = 16;

/** Whether a file in a folder, an archive or a repository holds rows, by its name without folders. */
export function isDataFile(name: string): boolean {
  return DATA_FILE.test(name) && !NOT_DATA.test(name);
}

const ZIP = [0x50, 0x4b];
const PARQUET = "PAR1";

/**
 * The data files at a path: one file, or those of a folder and its folders in the order of their names. Zip archives
 * become the files in them.
 * @throws KvDistillError `not-found` for no such path or a folder without data files, `disk`.
 */
export async function* inputFiles(path: string): AsyncGenerator<InputFile> {
  let any = false;
  for await (const file of pathsOf(path)) {
    any = true;
    if (typeof file === "string") yield* filesIn(file);
    else yield file;
  }
  if (any) return;
  throw new KvDistillError("not-found", "no data files in the folder", {
    where: path,
    expected: ".jsonl, .json, .parquet, .zip, and .gz of them",
  });
}

async function* pathsOf(path: string): AsyncGenerator<string | InputFile> {
  const facts = await orDiskError(path, stat(path));
  if (facts.isDirectory()) yield* folderPaths(path, []);
  else yield path;
}

/** @param above the real paths of the folders that this one is in */
async function* folderPaths(folder: string, above: readonly string[]): AsyncGenerator<string | InputFile> {
  if (above.length === DEEPEST) throw new KvDistillError("too-large", "folders too deep", { where: folder });
  const real = await orDiskError(folder, realpath(folder));
  if (above.includes(real)) {
    yield { name: folder, fault: "the link leads back to a folder above it" };
    return;
  }
  const names = (await orDiskError(folder, readdir(folder))).sort();
  for (const name of names) {
    if (name.startsWith(".")) continue;
    const path = join(folder, name);
    const facts = await factsOf(path);
    if (facts === undefined) yield { name: path, fault: "the link leads nowhere" };
    else if (facts.isDirectory()) yield* folderPaths(path, [...above, real]);
    else if (facts.isFile() && isDataFile(name)) yield path;
  }
}

/** Of what a name in a folder stands for; undefined where that is not there. */
async function factsOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw isSystemError(error) ? diskError(error, path, "cannot read the file") : error;
  }
}

async function* filesIn(path: string): AsyncGenerator<InputFile> {
  const magic = await orDiskError(path, firstBytes(path));
  if (ZIP.every((byte, at) => magic[at] === byte)) yield* zippedFiles(path);
  else if (magic.toString("latin1") === PARQUET) yield { name: path, parquet: path };
  else yield { name: path, bytes: () => content(path, isGzip(magic)) };
}

async function* content(path: string, compressed: boolean): AsyncGenerator<Buffer> {
  const stream = (await orDiskError(path, open(path, "r"))).createReadStream({ start: 0 });
  yield* compressed ? unpacked(stream) : (stream as AsyncIterable<Buffer>);
}

async function* zippedFiles(path: string): AsyncGenerator<InputFile> {
  let zip: ZipFile;
  try {
    zip = await openPromise(path, { autoClose: false });
  } catch (error) {
    yield { name: path, fault: readingFault(error) };
    return;
  }
  try {
    // All names first: what is wrong with the list of files is then known before any of them is read.
    const entries: Entry[] = [];
    for await (const entry of zip.eachEntry()) {
      if (isDataFile(entry.fileName.split("/").at(-1) ?? "")) entries.push(entry);
    }
    if (entries.length === 0) yield { name: path, fault: "no data files in the archive" };
    for (const entry of entries) yield await zippedFile(zip, entry, `${path}/${entry.fileName}`);
  } catch (error) {
    yield { name: path, fault: readingFault(error) };
  } finally {
    zip.close();
  }
}

async function zippedFile(zip: ZipFile, entry: Entry, name: string): Promise<InputFile> {
  let magic: Buffer;
  try {
    magic = await firstOf(zip, entry);
  } catch (error) {
    return { name, fault: readingFault(error) };
  }
  if (magic.toString("latin1", 0, 4) === PARQUET) return { name, fault: "parquet inside an archive: unpack it first" };
  if (ZIP.every((byte, at) => magic[at] === byte))
    return { name, fault: "an archive inside an archive: unpack it first" };
  return {
    name,
    bytes: async function* () {
      const stream = await zip.openReadStreamPromise(entry);
      yield* isGzip(magic) ? unpacked(stream) : (stream as AsyncIterable<Buffer>);
    },
  };
}

async function firstOf(zip: ZipFile, entry: Entry): Promise<Buffer> {
  const stream = await zip.openReadStreamPromise(entry);
  for await (const chunk of stream as AsyncIterable<Buffer>) return chunk;
  return Buffer.alloc(0);
}

/**
 * What is wrong with a file, of what reading it threw.
 * @throws what is not the file's fault: `KvDistillError` `disk` or `not-found`, and bugs.
 */
export function readingFault(error: unknown, path?: string): string {
  if (isSystemError(error)) throw diskError(error, path ?? "", "cannot read the file");
  const packing = packingFault(error);
  if (packing !== undefined) return packing;
  // yauzl throws plain errors with a sentence each.
  if (error instanceof Error && error.constructor === Error) return `the archive is damaged (${error.message})`;
  throw error instanceof Error ? error : new Error(messageOf(error));
}

async function orDiskError<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot read the file") : error;
  }
}
