import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** Builds the page that `kv-distill serve` serves: `web/` into `dist/page/`. */
export default defineConfig({
  root: fileURLToPath(new URL("web/", import.meta.url)),
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: fileURLToPath(new URL("dist/page/", import.meta.url)),
    emptyOutDir: true,
    // Browsers that have all of this are two years old.
    target: "es2022",
    // Nothing is inlined: the page's policy allows no data URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licences.md" },
    // How long plugins take is told on busy machines, as a warning.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
