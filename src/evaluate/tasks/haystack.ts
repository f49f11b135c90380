import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readLines } from "../../data/read-lines.ts";
import { readJsonLines } from "../../data/read-rows.ts";
import type { SourceNotes } from "../../data/sources/source.ts";
import { KvDistillError } from "../../util/errors.ts";

const rowSchema = z.object({ text: z.string() });

/**
 * The files of a haystack: the one that is named, or all .txt, .jsonl and their .gz of a folder in the order of their names.
 * @throws KvDistillError `not-found`
 */
export async function haystackFiles(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return [path];
  const names = (await readdir(path)).filter((name) => /\.(txt|jsonl)(\.gz)?$/.test(name)).sort();
  if (names.length > 0) return names.map((name) => join(path, name));
  throw new KvDistillError("not-found", "the folder has no text", { where: path, expected: ".txt or .jsonl files" });
}

/**
 * The text of all files, white space as single spaces: JSON Lines give their field `text`, others what they are.
 * @throws KvDistillError as `readLines`, and `bad-file` when there is no text
 */
export async function readHaystack(paths: readonly string[], notes: SourceNotes): Promise<string> {
  const texts: string[] = [];
  for (const path of paths) {
    if (/\.jsonl(\.gz)?$/.test(path)) {
      for await (const { value } of readJsonLines(path, rowSchema, notes.onFault)) texts.push(value.text);
    } else {
      for await (const line of readLines(path)) {
        if ("fault" in line) notes.onFault({ file: path, line: line.line, fault: line.fault });
        else texts.push(line.text);
      }
    }
  }
  const text = texts.join(" ").replaceAll(/\s+/g, " ").trim();
  if (text !== "") return text;
  throw new KvDistillError("bad-file", "the haystack has no text", { where: paths.join(", ") });
}

/** Sentences, each with its end. A rule of thumb: what follows `.`, `!` or `?` and white space and is no small letter begins one. */
export function sentencesOf(text: string): string[] {
  return text.split(/(?<=[.!?]["'”’)\]]*)\s+(?!\p{Ll})/u).filter((sentence) => sentence !== "");
}
