import { join } from "node:path";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import { readGgufModel } from "../gguf/source.ts";
import { describeModel } from "../loading/describe.ts";
import { readHuggingfaceFolder } from "../loading/huggingface-folder.ts";
import { matchWeights } from "../loading/match-weights.ts";
import { PULLED_GGUF } from "../loading/resolve.ts";
import { readModelConfig } from "../read-config.ts";

/**
 * Checks that a folder's model could be opened: configuration, tokenizer, template, and the name and shape of every weight.
 * Reads no weights.
 * @throws KvDistillError `not-found`, `bad-file`, `too-large`, `unsupported`, `disk`.
 */
export async function checkOpens(folder: string): Promise<void> {
  const gguf = join(folder, PULLED_GGUF);
  const source = (await pathExists(gguf)) ? await readGgufModel(gguf) : await readHuggingfaceFolder(folder);
  const { config } = describeModel(source);
  matchWeights(config, source.weights, folder);
}

/**
 * Checks the configuration alone, before any weights are fetched.
 * @param where the model, for messages
 * @throws KvDistillError as `readModelConfig`.
 */
export async function checkConfig(folder: string, where: string): Promise<void> {
  const text = await readTextFile(join(folder, "config.json"), 1 << 24);
  readModelConfig(parseStrictJson(text, where, { maxDepth: 32, maxKeys: 100_000 }), `${where}: config.json`);
}
