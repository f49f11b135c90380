import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Writes documents, some of them in folders, and gives the folder. */
export async function writeDocuments(folder: string, texts: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, content] of Object.entries(texts)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** Every file of a folder by the hash of its bytes. */
export async function hashes(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found: [string, string][] = [];
  for (const path of paths.sort()) {
    const sum = createHash("sha256").update(await readFile(path));
    found.push([path.slice(folder.length + 1), sum.digest("hex")]);
  }
  return Object.fromEntries(found);
}
