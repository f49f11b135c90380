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

/**
 * Deletes what earlier, killed processes of this machine left half-written beside `path`.
 * Names of live processes and of other machines stay. Failures to delete are ignored: the leftovers do no harm.
 */
export async function removeStaleTemps(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `.${basename(path)}.${host()}.`;
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const rest = /^(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length));
    if (rest?.[1] === undefined || isAlive(Number(rest[1]))) continue;
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
