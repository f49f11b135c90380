import { basename, dirname, extname, join } from "node:path";
import { KvDistillError } from "../../util/errors.ts";

/**
 * Where the cache of a file goes when nothing else is said: beside it, with `.kvd` for its extension.
 * @throws KvDistillError `bad-argument` when that is the file itself
 */
export function outputPath(from: string): string {
  const extension = extname(from);
  if (extension.toLowerCase() === ".kvd") {
    throw new KvDistillError("bad-argument", "the cache would replace the file that it is made from", {
      where: from,
      hint: "name the cache with -o",
    });
  }
  return join(dirname(from), `${basename(from, extension)}.kvd`);
}
