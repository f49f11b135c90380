import { readdir, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { diskError } from "../../util/disk-error.ts";
import { isKvDistillError } from "../../util/errors.ts";
import { readTextFile } from "../../util/read-text.ts";
import type { RowFault } from "../passage.ts";

/** One text to study. */
export interface StudyText {
  /** Path below the folder that was read. */
  readonly name: string;
  readonly text: string;
}

/** Endings of the files that are read. */
export const TEXT_ENDINGS = [".txt", ".text", ".md", ".markdown", ".rst"] as const;

const MAX_BYTES = 64 * 2 ** 20;

/** The files of a folder of texts. */
export interface TextFiles {
  readonly path: string;
  readonly files: readonly string[];
}

/**
 * The files of a folder and the folders in it, in the order of their paths, or one file. Hidden files and links are passed over.
 * @throws KvDistillError `not-found` or `disk` when a folder cannot be read
 */
export async function textFiles(path: string): Promise<TextFiles> {
  return { path, files: await filesOf(path) };
}

/**
 * The texts in files of a folder, or in one file whatever its ending. Files of other endings, over 64 MiB, not UTF-8 or blank go to `onFault`.
 */
export async function* readTexts(
  { path, files }: TextFiles,
  onFault: (fault: RowFault) => void,
): AsyncGenerator<StudyText> {
  for (const file of files) {
    const fault = (what: string): void => {
      onFault({ file, line: 1, fault: what });
    };
    const name = file === path ? basename(path) : relative(path, file);
    if (file !== path && !TEXT_ENDINGS.some((ending) => file.toLowerCase().endsWith(ending))) {
      fault(`the name ends in none of ${TEXT_ENDINGS.join(", ")}`);
      continue;
    }
    let text: string;
    try {
      text = await readTextFile(file, MAX_BYTES);
    } catch (error) {
      if (!isKvDistillError(error)) throw error;
      fault(error.message);
      continue;
    }
    if (text.trim() === "") fault("the text is blank");
    // Windows ends lines in two characters; paragraphs are found by blank lines.
    else yield { name, text: text.replaceAll("\r\n", "\n") };
  }
}

async function filesOf(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const entries = await readdir(path, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const files: string[] = [];
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const inner = join(path, entry.name);
      if (entry.isDirectory()) files.push(...(await filesOf(inner)));
      else if (entry.isFile()) files.push(inner);
    }
    return files;
  } catch (error) {
    throw isKvDistillError(error) ? error : diskError(error, path, "cannot read the texts");
  }
}
