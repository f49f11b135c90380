// Preloaded into a command: tells which packages it has loaded by the time it ends.
import { Module } from "node:module";

process.on("exit", () => {
  const packages = Object.keys(Module._cache).flatMap(
    (path) => path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? [],
  );
  process.stderr.write(`loaded: ${[...new Set(packages)].sort().join(" ")}\n`);
});
