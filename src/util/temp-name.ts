import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { systemCodeOf } from "./disk-error.ts";

/** The machine's name, reduced to what any file system takes. */
function host(): string {
  return hostname()
    .replace(/[^A-Za-z0-9-]/g, "-")
    .slice(0, 32);
}

/** A hidden name beside `path` that tells which process is writing it: `.NAME.HOST.PID.RANDOM.tmp`. */
export function tempNameFor(path: string): string {
  const unique = randomBytes(6).toString("hex");
  return join(dirname(path), `.${basename(path)}.${host()}.${process.pid.toString()}.${unique}.tmp`);
}

/** Whose a hidden name is that `tempNameFor` made on this machine. */
export interface TempOwner {
  /** The base name of the path that is being written. */
  readonly target: string;
  /** Whether the process that writes it still runs. */
  readonly alive: boolean;
}

/** Undefined for other names, and for those of other machines. */
export function tempOwner(name: string): TempOwner | undefined {
  const [, target, madeOn, pid] = /^\.(.+)\.([A-Za-z0-9-]*)\.(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name) ?? [];
  if (target === undefined || pid === undefined || madeOn !== host()) return undefined;
  return { target, alive: isAlive(Number(pid)) };
}

/**
 * Deletes what earlier, killed processes of this machine left half-written beside `path`.
 * Names of live processes and of other machines stay. Failures to delete are ignored: the leftovers do no harm.
 */
export async function removeStaleTemps(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const owner = tempOwner(name);
    if (owner?.target !== basename(path) || owner.alive) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) !== "ESRCH";
  }
}
