import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { systemCodeOf } from "../../util/disk-error.ts";
import { type ErrorCode, KvDistillError, messageOf } from "../../util/errors.ts";

/** How to tell that a Python command failed. */
export interface PythonFault {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: string;
  readonly hint: string;
}

/** Runs Python with arguments; throws the fault when it exits with another code than 0. */
export type Python = (args: readonly string[], fault: PythonFault) => Promise<void>;

export interface PythonOptions {
  /** Working folder, and folder for temporary files. `python -m` looks for modules here first, so it must not be a stranger's. */
  readonly folder: string;
  /** Ends the running command. */
  readonly signal: AbortSignal | undefined;
}

const run = promisify(execFile);
const COMMANDS = ["python3", "python"];

/**
 * The Python of this machine.
 * @throws KvDistillError (when called) `not-found` without Python, `disk` when Python finds the disk full, otherwise the fault.
 */
export function createPython({ folder, signal }: PythonOptions): Python {
  const env = { ...process.env, TMPDIR: folder, TEMP: folder, TMP: folder };
  const options = { cwd: folder, env, maxBuffer: 1 << 24, ...(signal === undefined ? {} : { signal }) };
  return async (args, fault) => {
    for (const command of COMMANDS) {
      try {
        await run(command, [...args], options);
        return;
      } catch (error) {
        signal?.throwIfAborted();
        if (systemCodeOf(error) !== "ENOENT") throw failure(error, fault);
      }
    }
    throw new KvDistillError("not-found", "Python is not installed", {
      where: COMMANDS.join(", "),
      hint: "install Python 3 with pip, or pull the model from a local path or the Hugging Face hub",
    });
  };
}

function failure(error: unknown, { code, what, where, hint }: PythonFault): KvDistillError {
  const told = typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr).trim() : "";
  const got = (told === "" ? messageOf(error) : told).slice(-600);
  if (/No space left on device|\[Errno (28|122)\]/.test(told)) {
    return new KvDistillError("disk", "the disk is full", { where, got, hint: "free some space", cause: error });
  }
  return new KvDistillError(code, what, { where, got, hint, cause: error });
}
