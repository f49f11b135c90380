import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { VERSION } from "../../util/version.ts";

/** What a run ran on. */
export interface Machine {
  readonly cpu: string;
  /** That this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
  };
}

/** Which code ran. */
export interface CodeVersion {
  readonly version: string;
  /** Of the package's own git checkout; null when it is not run from one. */
  readonly commit: string | null;
  /** Whether tracked files differ from the commit. */
  readonly modified: boolean;
}

export async function thisCode(): Promise<CodeVersion> {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const git = async (...args: readonly string[]): Promise<string | undefined> =>
    promisify(execFile)("git", ["-C", root, ...args]).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
  // Inside another project's checkout, as a dependency, its commit says nothing about this code.
  const top = await git("rev-parse", "--show-toplevel");
  const own = top !== undefined && (await realpath(top)) === (await realpath(root));
  const commit = own ? await git("rev-parse", "HEAD") : undefined;
  if (commit === undefined) return { version: VERSION, commit: null, modified: false };
  const changes = await git("status", "--porcelain", "--untracked-files=no");
  return { version: VERSION, commit, modified: changes !== "" };
}
