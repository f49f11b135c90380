import { open } from "node:fs/promises";
import { join } from "node:path";
import { openGguf } from "../../formats/gguf/open.ts";
import { optionalMetadata } from "../../formats/gguf/lookup.ts";

/**
 * The licence that a GGUF file names.
 * @throws KvDistillError as `openGguf`.
 */
export async function ggufLicence(path: string): Promise<string | undefined> {
  return optionalMetadata(await openGguf(path), "general.license", "string");
}

/** The licence that the model card of a folder, README.md, names in its front matter; undefined when there is none. */
export async function folderLicence(folder: string): Promise<string | undefined> {
  const file = await open(join(folder, "README.md"), "r").catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1 << 16), 0, 1 << 16, 0);
    const [, head = ""] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(buffer.toString("utf8", 0, bytesRead)) ?? [];
    return /^license:\s*["']?([\w.+-]+)/m.exec(head)?.[1];
  } finally {
    await file.close();
  }
}
