import { formatBytes } from "../../src/util/format.ts";

/** Longer texts are refused by servers as they come. */
const LONGEST = 64 * 2 ** 20;

/**
 * The text of a file.
 * @throws Error with a sentence for people when it is none
 */
export async function textOfFile(file: File): Promise<string> {
  if (file.size > LONGEST) throw new Error(`${file.name} has ${formatBytes(file.size)}: that is too long for a text.`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    if (!text.includes("\0")) return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw new Error(`${file.name} is no plain text. Copy the text out of it and paste it.`);
}

export function isCacheFile(file: File): boolean {
  return file.name.toLowerCase().endsWith(".kvd");
}
