import { open } from "node:fs/promises";
import { diskError, isSystemError } from "./disk-error.ts";
import { KvDistillError } from "./errors.ts";

/** A text file that grows by whole lines while a run goes on. */
export interface LineFile {
  /** What was in it when it was opened, whole lines only. */
  readonly text: string;
  /** Appends lines in one write and waits until they are on the disk. */
  readonly append: (lines: readonly string[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Opens a line file, or makes it. A last line without its newline was being written when the process died: it is taken off.
 * @param begins what every file of the kind begins with; given where the path is a person's choice and may hold something else
 * @throws KvDistillError `bad-argument` when something else is there, which stays as it is; `disk`, also by `append`
 */
export async function openLineFile(path: string, begins = ""): Promise<LineFile> {
  const attempt = async <T>(fault: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw isSystemError(error) ? diskError(error, path, fault) : error;
    }
  };
  const file = await attempt("cannot open the lines", () => open(path, "a+"));
  try {
    const text = await attempt("cannot read the lines", async () => {
      const bytes = await file.readFile();
      checkBeginning(bytes.toString("utf8", 0, Buffer.byteLength(begins)), begins, path);
      const whole = bytes.lastIndexOf(0x0a) + 1;
      if (whole < bytes.length) await file.truncate(whole);
      return bytes.subarray(0, whole).toString("utf8");
    });
    return {
      text,
      append: (lines) =>
        attempt("cannot write the lines", async () => {
          await file.appendFile(lines.map((line) => `${line}\n`).join(""));
          await file.datasync();
        }),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function checkBeginning(start: string, begins: string, path: string): void {
  // A crash may have left a part of the first line.
  if (begins.startsWith(start)) return;
  throw new KvDistillError("bad-argument", "the file holds something else", {
    where: path,
    expected: `no file, or one that begins with ${begins}`,
    got: JSON.stringify(start),
    hint: "choose another name: what is there is not touched",
  });
}
