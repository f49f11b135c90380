import { KvDistillError } from "./errors.ts";
import { readRange } from "./read-range.ts";
import { decodeUtf8 } from "./utf8.ts";
import { withFile } from "./with-file.ts";

/**
 * Reads a whole UTF-8 text file of at most `maxBytes`.
 * @throws KvDistillError `not-found`, `disk`, `too-large`, `bad-file` (not UTF-8).
 */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  const bytes = await withFile(path, (file, size) => {
    if (size > maxBytes) {
      throw new KvDistillError("too-large", "the file is over the limit", {
        where: path,
        expected: `at most ${maxBytes.toString()} bytes`,
        got: size.toString(),
      });
    }
    return readRange(file, 0, size, path);
  });
  return decodeUtf8(bytes, path);
}
