import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { SAMPLES_SCRIPT } from "../../evaluate/report/page/script.ts";
import { diskError, systemCodeOf } from "../../util/disk-error.ts";
import { createPage, type Page, PAGE_TYPES, type PageFile } from "./page.ts";

/** Where `npm run build` puts the page; the same from sources and from what they are compiled to. */
const BUILT = fileURLToPath(new URL("../../../dist/page/", import.meta.url));
const INDEX = "index.html";

/**
 * Reads the page that was built; undefined when none was.
 * @throws KvDistillError `disk`
 */
export async function loadPage(folder = BUILT): Promise<Page | undefined> {
  const files: PageFile[] = [];
  for (const path of await filesIn(folder)) {
    const type = PAGE_TYPES[extname(path)];
    // Licences of what is built in lie beside the page.
    if (type === undefined) continue;
    const name = relative(folder, path).split(sep).join("/");
    files.push({
      path: name === INDEX ? "/" : `/${name}`,
      bytes: await readFile(path).catch((error: unknown) => {
        throw diskError(error, path, "cannot read the page");
      }),
      type,
      immutable: name.startsWith("assets/"),
    });
  }
  return files.some(({ path }) => path === "/") ? createPage(files, [SAMPLES_SCRIPT]) : undefined;
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw diskError(error, folder, "cannot list the page's files");
  });
  return entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : [])).sort();
}
