import { createDataReport } from "../data/data-report.ts";
import { examplesInMemory, type ExampleSet } from "../data/example-set.ts";
import { type ExampleLimits, type PassageExample, tokenizePassages } from "../data/examples.ts";
import { groupPassages } from "../data/group-passages.ts";
import { promptHash, stylePrompts } from "../data/prepare/prompts.ts";
import { readRows } from "../data/read-rows.ts";
import { readHeader, type StoreHeader } from "../data/store/header.ts";
import { isTokenStore, openTokenStore, storeHeaderPath } from "../data/store/open-store.ts";
import { passagePromptOf } from "../models/load-model.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { KvDistillError } from "../util/errors.ts";
import type { TrainConfig } from "./config.ts";

/** Which setting of a training run says which limit of its examples. */
const LIMIT_SETTINGS = {
  minContextTokens: "minContext",
  maxContextTokens: "maxContext",
  maxQuestionTokens: "maxQuestion",
  maxAnswerTokens: "maxAnswer",
  maxQuestions: "questions",
  reconstructionTokens: "reconstruction",
} as const satisfies Readonly<Record<keyof ExampleLimits, keyof TrainConfig>>;

const LIMITS = Object.keys(LIMIT_SETTINGS) as (keyof ExampleLimits)[];

/** The limits of a run's examples, as its settings say them. */
export function exampleLimits(config: Pick<TrainConfig, (typeof LIMIT_SETTINGS)[keyof ExampleLimits]>): ExampleLimits {
  return Object.fromEntries(LIMITS.map((limit) => [limit, config[LIMIT_SETTINGS[limit]]])) as unknown as ExampleLimits;
}

/**
 * Reads and tokenises data files, or opens a token store; what is left out is told in notes. The caller closes the set.
 * @throws KvDistillError `bad-argument` when nothing is left to train on, a store is not alone, or settings differ from the store's (all
 * at once), `model-mismatch` for a store of another tokenizer or template, and what `readRows`, `openTokenStore` and `passagePromptOf` throw
 */
export async function readTrainingData(
  paths: readonly string[],
  files: ModelFiles,
  config: TrainConfig,
  onNote: (line: string) => void,
): Promise<ExampleSet> {
  const store = await storeAmong(paths);
  return store === undefined ? readDataFiles(paths, files, config, onNote) : openTrainingStore(store, files, config);
}

/**
 * The settings that a token store decides, when that is what a run is to train on; nothing for data files.
 * @throws KvDistillError as `readTrainingData`
 */
export async function storeSettings(paths: readonly string[]): Promise<Partial<TrainConfig>> {
  const store = await storeAmong(paths);
  if (store === undefined) return {};
  const { limits } = await readHeader(storeHeaderPath(store));
  return Object.fromEntries(LIMITS.map((limit) => [LIMIT_SETTINGS[limit], limits[limit]]));
}

async function storeAmong(paths: readonly string[]): Promise<string | undefined> {
  const [first, ...more] = paths;
  for (const path of paths) {
    if (!(await isTokenStore(path))) continue;
    if (path === first && more.length === 0) return path;
    throw new KvDistillError("bad-argument", "a token store is trained on alone", {
      where: path,
      got: `${paths.length} files`,
      hint: "prepare one store of all of them: kv-distill prepare",
    });
  }
  return undefined;
}

async function readDataFiles(
  paths: readonly string[],
  files: ModelFiles,
  config: TrainConfig,
  onNote: (line: string) => void,
): Promise<ExampleSet> {
  const report = createDataReport();
  const prompt = passagePromptOf(files, "short-answer");
  const styled = stylePrompts(files);
  const limits = exampleLimits(config);
  const examples: PassageExample[] = [];
  for (const path of paths) {
    const passages = groupPassages(readRows(path, report.onFault), { onClosedEarly: report.onClosedEarly });
    const tokenized = tokenizePassages(passages, prompt, limits, report.onLeftOut, styled);
    for await (const example of tokenized) examples.push(example);
  }
  for (const line of report.lines()) onNote(line);
  if (examples.length === 0) {
    throw new KvDistillError("bad-argument", "there is nothing to train on", {
      where: paths.join(", "),
      ...("context-too-long" in report.counts() ? { hint: "--max-context takes longer contexts" } : {}),
    });
  }
  return examplesInMemory(examples);
}

async function openTrainingStore(path: string, files: ModelFiles, config: TrainConfig): Promise<ExampleSet> {
  const store = await openTokenStore(path);
  try {
    checkModel(store.header, files, path);
    const faults = LIMITS.flatMap((limit) => {
      const [own, stored] = [config[LIMIT_SETTINGS[limit]], store.header.limits[limit]];
      return own === stored ? [] : [`${LIMIT_SETTINGS[limit]}: ${own}, the store has ${stored}`];
    });
    if (faults.length === 0) return store;
    throw new KvDistillError("bad-argument", "the token store was made with other settings", {
      where: path,
      faults,
      hint: "leave these settings out, or prepare the store again",
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

function checkModel({ model, tokenizer, prompt }: StoreHeader, files: ModelFiles, where: string): void {
  const mismatch = (what: string, expected: string, got: string): KvDistillError =>
    new KvDistillError("model-mismatch", `the token store was made with another ${what}`, {
      where,
      expected: `${expected} (${files.name})`,
      got: `${got} (${model})`,
      hint: `prepare it again with --model ${files.name}`,
    });
  if (tokenizer.hash !== files.tokenizerHash) throw mismatch("tokenizer", files.tokenizerHash, tokenizer.hash);
  const own = promptHash(files, prompt.style);
  if (prompt.hash !== own) throw mismatch("chat template", own, prompt.hash);
}
