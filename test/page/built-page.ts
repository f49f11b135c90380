import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { afterAll, beforeAll } from "vitest";
import { loadPage } from "../../src/server/page/load-page.ts";
import type { Page } from "../../src/server/page/page.ts";

/** The page of these sources, built for the tests of a file. */
export function useBuiltPage(): { readonly page: () => Page; readonly folder: () => string } {
  let folder = "";
  let page: Page | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kv-distill-page-"));
    const configFile = fileURLToPath(new URL("../../vite.page.config.ts", import.meta.url));
    await build({ configFile, build: { outDir: folder } });
    page = await loadPage(folder);
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  return {
    page: () => {
      if (page === undefined) throw new Error("the page is built before the tests run");
      return page;
    },
    folder: () => folder,
  };
}
