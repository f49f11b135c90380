import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { diskError, isSystemError } from "../../../util/disk-error.ts";

/** How the hub tells what a file's bytes are: sha256 for large files, git's blob id for small ones. */
export interface ContentDigest {
  readonly algorithm: "sha256" | "git-blob-sha1";
  /** Lower case. */
  readonly hex: string;
}

/** A file that grows at its end while the hash of its bytes is kept up. */
export class PartialFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #begin: () => Hash;
  #hash: Hash;
  #length = 0;

  private constructor(path: string, file: FileHandle, begin: () => Hash) {
    this.path = path;
    this.#file = file;
    this.#begin = begin;
    this.#hash = begin();
  }

  /**
   * Opens the file at `path`, or makes it, and hashes what is there. More than `size` bytes cannot be a beginning of the
   * file: then it starts empty.
   * @throws KvDistillError `disk`, `not-found` (no such folder).
   */
  static async open(path: string, size: number, algorithm: ContentDigest["algorithm"]): Promise<PartialFile> {
    const begin = () =>
      algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size.toString()}\0`);
    try {
      // "a+" makes the file and "r+" writes at positions.
      await (await open(path, "a+")).close();
      const partial = new PartialFile(path, await open(path, "r+"), begin);
      try {
        await partial.#load(size);
      } catch (error) {
        await partial.#file.close();
        throw error;
      }
      return partial;
    } catch (error) {
      throw isSystemError(error) ? diskError(error, path, "cannot open the file") : error;
    }
  }

  get length(): number {
    return this.#length;
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** @throws KvDistillError `disk`. */
  async append(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#guard(this.#file.write(bytes, done, bytes.length - done, this.#length));
      this.#hash.update(bytes.subarray(done, done + bytesWritten));
      this.#length += bytesWritten;
      done += bytesWritten;
    }
  }

  /** Back to an empty file. @throws KvDistillError `disk`. */
  async restart(): Promise<void> {
    await this.#guard(this.#file.truncate(0));
    this.#hash = this.#begin();
    this.#length = 0;
  }

  /** Onto the disk itself. @throws KvDistillError `disk`. */
  async flush(): Promise<void> {
    await this.#guard(this.#file.sync());
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #load(size: number): Promise<void> {
    const { size: there } = await this.#file.stat();
    if (there > size) await this.#file.truncate(0);
    if (there > size || there === 0) return;
    for await (const chunk of createReadStream(this.path, { highWaterMark: 1 << 22 }) as AsyncIterable<Buffer>) {
      this.#hash.update(chunk);
      this.#length += chunk.length;
    }
  }

  async #guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw isSystemError(error) ? diskError(error, this.path, "cannot write the file") : error;
    }
  }
}
