import { checkReadableElsewhere } from "../../cache/export/check-readable-elsewhere.ts";
import { saveLlamaCppState } from "../../cache/export/llama-cpp.ts";
import { type LoaderRuntime, LOADERS, saveForLoaders, saveLoader } from "../../cache/export/safetensors.ts";
import { slotsOf } from "../../cache/kv-cache.ts";
import { loadKvd } from "../../cache/load-kvd.ts";
import { keysInterleaved } from "../../models/gguf/keys-interleaved.ts";
import { formatCount } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import { defineCommand } from "../define-command.ts";
import { exportPaths } from "../export/paths.ts";
import { openModelFiles } from "../model.ts";
import { DEFAULT_MODEL, jsonOption } from "../shared-options.ts";
import { argument, flag, option, optionOr, requiredOption, text } from "../spec.ts";
import { choice } from "../values/choice.ts";

export const RUNTIMES = ["llama.cpp", ...Object.keys(LOADERS)] as readonly ("llama.cpp" | LoaderRuntime)[];

export const exportCache = defineCommand({
  name: "export",
  summary: "a cache file for another program: llama.cpp, transformers, transformers.js, MLX",
  description:
    "Writes the kept rows of a .kvd cache so that another program goes on from them with the same model. llama.cpp: a sequence state. " +
    "The others: safetensors, and beside it a short loader in the program's language, to read and to copy from (docs/exporting.md).",
  arguments: { cache: argument("cache", ".kvd file") },
  options: {
    to: requiredOption("--to <program>", RUNTIMES.join(", "), choice(RUNTIMES)),
    output: option("-o, --output <file>", "default: the cache's name with another extension", text),
    flashAttention: flag(
      "--flash-attention",
      "llama.cpp: the reading context uses flash attention, which lays values out otherwise",
    ),
    model: optionOr("--model <name|path>", "the model that the cache belongs to", text, DEFAULT_MODEL),
    json: jsonOption,
  },
  examples: [
    ["export report.kvd --to llama.cpp", "report.llama-state, for llama_state_seq_load_file or node-llama-cpp"],
    ["export report.kvd --to transformers", "report.safetensors and load_transformers.py"],
  ],
  check: ({ options: { to, flashAttention } }) =>
    flashAttention && to !== "llama.cpp" ? [`--flash-attention: ${to} has no such layout`] : [],
  run: async ({ options: { to, output, flashAttention, model, json }, arguments: { cache: from } }, context) => {
    const files = await openModelFiles(model, context);
    const cache = await loadKvd(from, { expectModel: files });
    // Before anything is written, and by the name of the file that is at fault.
    checkReadableElsewhere(cache, from);
    const paths = exportPaths(from, to, output);
    if (to === "llama.cpp") {
      await saveLlamaCppState(paths.cache, cache, { flashAttention, interleavedKeys: keysInterleaved(files.config) });
    } else {
      await saveForLoaders(paths.cache, cache);
      await saveLoader(to, paths.loader);
    }
    const written = to === "llama.cpp" ? [paths.cache] : [paths.cache, paths.loader];
    const facts = { to, files: written, rows: slotsOf(cache), contextLength: cache.contextLength };
    if (json) context.out.json(facts);
    else {
      const tokens = `${formatCount(facts.rows)} of ${formatCount(facts.contextLength)} tokens`;
      context.out.line(printable(`${tokens} written to ${written.join(" and ")}`));
    }
  },
});
