// node-llama-cpp as setup.mjs installed it.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const packageFolder = join(here, ".installed", "node-llama-cpp", "node_modules", "node-llama-cpp");

export const { version } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
export const { getLlama, LlamaLogLevel } = await import(pathToFileURL(join(packageFolder, "dist", "index.js")));
