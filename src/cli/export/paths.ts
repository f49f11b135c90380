import { basename, dirname, extname, join } from "node:path";
import { LOADERS, type LoaderRuntime } from "../../cache/export/safetensors.ts";

/** Where an export goes: beside the cache, or where it is told to; the loader lies in the same folder. */
export function exportPaths(
  from: string,
  to: "llama.cpp" | LoaderRuntime,
  output: string | undefined,
): { readonly cache: string; readonly loader: string } {
  const extension = to === "llama.cpp" ? ".llama-state" : ".safetensors";
  const cache = output ?? join(dirname(from), basename(from, extname(from)) + extension);
  return { cache, loader: join(dirname(cache), to === "llama.cpp" ? "" : LOADERS[to]) };
}
