import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";

const fromHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SOURCES = fromHere("../../src");

/** Modules of the package's sources and of Node that a bundle reaches. */
export interface Reached {
  readonly own: ReadonlySet<string>;
  readonly node: ReadonlySet<string>;
}

/**
 * Builds the page of examples/browser, with its own configuration, from the sources in place of the installed package.
 * @returns what the page and its worker reach
 */
export async function bundlePage(outDir: string): Promise<Reached> {
  const own = new Set<string>();
  const node = new Set<string>();
  const sources: Plugin = {
    name: "sources",
    enforce: "pre",
    resolveId: (id, importer) => {
      if (id.startsWith("node:")) node.add(`${id} from ${importer ?? "?"}`);
    },
    transform: (code, id) => {
      // Vite puts this in the place of Node's own modules when they are imported without `node:`.
      if (id.includes("browser-external")) node.add(id);
      if (id.endsWith(".ts")) own.add(relative(SOURCES, id));
      // The compiled package has worker.js beside runtime.js.
      return id.endsWith("/src/browser/runtime.ts") ? code.replace('"./worker.js"', '"./worker.ts"') : undefined;
    },
  };
  await build({
    root: fromHere("../../examples/browser"),
    logLevel: "error",
    resolve: { alias: { "kv-distill/browser": fromHere("../../src/browser/index.ts") } },
    plugins: [sources],
    worker: { format: "es", plugins: () => [sources] },
    build: { outDir, emptyOutDir: true, minify: false },
  });
  return { own, node };
}
