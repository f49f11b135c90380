import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type { Readable } from "node:stream";

type Work = (...given: unknown[]) => unknown;

/** Of `node:fs/promises`: what takes a path and has a synchronous kind. */
const OF_PATHS = [
  "access",
  "appendFile",
  "chmod",
  "copyFile",
  "link",
  "lstat",
  "mkdir",
  "mkdtemp",
  "readdir",
  "readFile",
  "rename",
  "rm",
  "rmdir",
  "stat",
  "statfs",
  "truncate",
  "unlink",
  "utimes",
  "writeFile",
] as const;

/** Which way the files of a process go from now on. */
export interface FileWays {
  pooled: boolean;
}

/** Of `node:fs`: what streams and the zip reader call back from. */
const WITH_CALLBACKS = ["open", "close", "read", "fstat"] as const;

/**
 * Lets this process's file functions do their work at once, in the thread that calls them, instead of in libuv's pool: for files of a kilobyte in
 * memory the way there and back is four fifths of the time. Parsers get the same files, values and errors, as promises still. Threads
 * of their own are not touched, nor is the test runner, whose cases all go through the pool. What only shows there, such as a promise that is rejected while a file is waited for,
 * is looked for in the part of a long run that is `pooled`.
 */
export function useDirectFiles(): FileWays {
  const ways = { pooled: false };
  const promises = fs.promises as unknown as Record<string, Work>;
  const sync = fs as unknown as Record<string, Work>;
  const either =
    (direct: Work, pooled: Work): Work =>
    (...given) =>
      (ways.pooled ? pooled : direct)(...given);
  for (const name of OF_PATHS) {
    const pooled = workOf(promises, name);
    promises[name] = either(promised(workOf(sync, `${name}Sync`), pooled), pooled);
  }
  const pooledRealpath = workOf(promises, "realpath");
  promises.realpath = either(promised(fs.realpathSync.native as Work, pooledRealpath), pooledRealpath);
  promises.open = either(promised(openDirect, openDirect), workOf(promises, "open"));
  for (const name of WITH_CALLBACKS)
    sync[name] = either(calledBack(name, workOf(sync, `${name}Sync`)), workOf(sync, name));
  syncBuiltinESMExports();
  return ways;
}

function workOf(from: Readonly<Record<string, Work>>, name: string): Work {
  const work = from[name];
  if (work === undefined) throw new RangeError(`node:fs has no ${name}`);
  return work;
}

/** @param pooled for what is not a path and bytes, such as a file that is made of a stream */
function promised(work: Work, pooled: Work): Work {
  return (...given) => (given.slice(0, 2).some(isStream) ? pooled(...given) : soon(() => work(...given)));
}

const openDirect: Work = (path, flags, mode) =>
  new DirectFile(fs.openSync(path as string, (flags ?? "r") as string, mode as number));

function isStream(given: unknown): boolean {
  return typeof given === "object" && given !== null && (Symbol.asyncIterator in given || "fd" in given);
}

function calledBack(name: (typeof WITH_CALLBACKS)[number], work: Work): Work {
  return (...given) => {
    const back = given.pop() as Work;
    try {
      const value = work(...given);
      // `fs.read` also hands back what it read into.
      process.nextTick(back, null, value, ...(name === "read" ? [given[1]] : []));
    } catch (error) {
      process.nextTick(back, error);
    }
  };
}

/** The work done now, what comes of it as a promise. */
function soon<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}

type Bytes = Uint8Array<ArrayBuffer>;

/** What this package and its libraries use of `FileHandle`. */
class DirectFile {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  stat(options?: fs.StatSyncOptions): Promise<unknown> {
    return soon(() => fs.fstatSync(this.fd, options as never));
  }

  read(buffer: Bytes, at: number, length: number, position: number | null): Promise<object> {
    return soon(() => ({ bytesRead: fs.readSync(this.fd, buffer, at, length, position), buffer }));
  }

  write(buffer: Bytes, at?: number, length?: number, position?: number): Promise<object> {
    return soon(() => ({ bytesWritten: fs.writeSync(this.fd, buffer, at, length, position), buffer }));
  }

  readFile(options?: BufferEncoding): Promise<unknown> {
    return soon(() => fs.readFileSync(this.fd, options));
  }

  writeFile(data: string | Bytes): Promise<void> {
    return soon(() => {
      fs.writeFileSync(this.fd, data);
    });
  }

  appendFile(data: string | Bytes): Promise<void> {
    return soon(() => {
      fs.appendFileSync(this.fd, data);
    });
  }

  truncate(length: number): Promise<void> {
    return soon(() => {
      fs.ftruncateSync(this.fd, length);
    });
  }

  chmod(mode: number): Promise<void> {
    return soon(() => {
      fs.fchmodSync(this.fd, mode);
    });
  }

  sync(): Promise<void> {
    return soon(() => {
      fs.fsyncSync(this.fd);
    });
  }

  datasync(): Promise<void> {
    return soon(() => {
      fs.fdatasyncSync(this.fd);
    });
  }

  close(): Promise<void> {
    return soon(() => {
      fs.closeSync(this.fd);
    });
  }

  createReadStream(options: object): Readable {
    return fs.createReadStream("", { ...options, fd: this.fd });
  }
}
