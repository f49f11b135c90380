import { KvDistillError, type ErrorCode } from "./errors.ts";

/** The system's error code, such as `ENOSPC`, of a thrown value; undefined when it has none. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** True for what Node's file functions throw; false for errors of this package and for bugs. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space or choose another folder",
  EDQUOT: "the disk quota is used up: free some space or choose another folder",
  EFBIG: "the file is larger than this file system or this process may write",
  EACCES: "check the permissions of the file and its folder",
  EPERM: "check the permissions of the file and its folder",
  EROFS: "the file system is read-only: choose another folder",
  EMFILE: "too many files are open in this process",
  ENOENT: "there is no such file or folder",
  ENAMETOOLONG: "choose a shorter name",
};

/**
 * A failed file operation as an error of this package: `not-found` when the path does not exist, otherwise `disk`.
 * @param doing what was tried, as in "cannot write the file"
 */
export function diskError(error: unknown, path: string, doing: string): KvDistillError {
  const systemCode = systemCodeOf(error);
  const code: ErrorCode = systemCode === "ENOENT" ? "not-found" : "disk";
  const hint = systemCode === undefined ? undefined : HINTS[systemCode];
  return new KvDistillError(code, doing, {
    where: path,
    ...(systemCode === undefined ? {} : { got: systemCode }),
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}
