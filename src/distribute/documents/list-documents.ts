import { readdir } from "node:fs/promises";
import { join, sep } from "node:path";
import { TEXT_ENDINGS } from "../../data/self-study/read-texts.ts";
import { diskError } from "../../util/disk-error.ts";

/** Documents of a folder and what else lies in it. */
export interface FolderContents {
  /** Paths below the folder, with slashes, in the order of their code points. */
  readonly documents: readonly string[];
  /** Files that are no text by their names. */
  readonly others: readonly string[];
}

/**
 * The texts of a folder and the folders in it, by their endings. Hidden files, links and what is below `except` are passed over.
 * @throws KvDistillError `not-found`, `disk`
 */
export async function listDocuments(folder: string, except?: string): Promise<FolderContents> {
  const documents: string[] = [];
  const others: string[] = [];
  const walk = async (below: string): Promise<void> => {
    const path = join(folder, below);
    const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
      throw diskError(error, path, "cannot read the folder");
    });
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const own = join(below, entry.name);
      if (entry.isDirectory()) {
        if (except === undefined || join(folder, own) !== except) await walk(own);
      } else if (entry.isFile()) {
        const isText = TEXT_ENDINGS.some((ending) => entry.name.toLowerCase().endsWith(ending));
        (isText ? documents : others).push(own.split(sep).join("/"));
      }
    }
  };
  await walk("");
  const byCodePoint = (a: string, b: string): number => (a < b ? -1 : 1);
  return { documents: documents.sort(byCodePoint), others: others.sort(byCodePoint) };
}
