import { basename, join } from "node:path";
import { passagePromptOf } from "../../models/load-model.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import type { QuestionStyle } from "../../models/passage-prompt.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { writeFolderAtomic } from "../../util/atomic-folder.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { PACKAGE_NAME_AND_VERSION } from "../../util/version.ts";
import { createDataReport, type DataReport } from "../data-report.ts";
import { type ExampleLimits, type PassageExample, tokenizePassages } from "../examples.ts";
import { groupPassages } from "../group-passages.ts";
import { STORE_FILES, type StoreFacts, type StoreHeader } from "../store/header.ts";
import { isTokenStore } from "../store/open-store.ts";
import { writeStoreFiles } from "../store/write-store.ts";
import { createLengthCounts, type LengthCounts, lengthsChart } from "./lengths-chart.ts";
import {
  type InputReport,
  type PrepareInput,
  preparedRows,
  type RowChoice,
  startInputReports,
} from "./prepared-rows.ts";
import { promptHash, stylePrompts } from "./prompts.ts";

/** How examples are made of inputs, and nothing about where they go. */
export interface PreparationOptions extends RowChoice {
  readonly inputs: readonly PrepareInput[];
  readonly files: ModelFiles;
  readonly limits: ExampleLimits;
  readonly style: QuestionStyle;
  readonly signal?: AbortSignal;
  /** After each row that was read and each example that was made. */
  readonly onProgress?: (progress: { readonly rows: number; readonly examples: number }) => void;
}

/** Examples on their way, with what is known of them at the end. */
export interface Preparation {
  readonly examples: AsyncIterable<PassageExample>;
  readonly inputs: readonly InputReport[];
  /** What was left out while tokenising. */
  readonly tokenising: DataReport;
  readonly lengths: LengthCounts;
  /** The licence that the first row of a data set gave. */
  readonly licenceOf: (source: string) => string;
}

/** Sets up the way from inputs to examples; nothing is read before `examples` is. */
export function startPreparation(options: PreparationOptions): Preparation {
  const { files, style, limits, signal, onProgress } = options;
  const inputs = startInputReports(options.inputs);
  const tokenising = createDataReport();
  const lengths = createLengthCounts();
  const licences = new Map<string, Set<string>>();
  const done = { rows: 0, examples: 0 };

  async function* rows(): ReturnType<typeof preparedRows> {
    const onRow = (): void => {
      done.rows++;
      onProgress?.(done);
    };
    for await (const row of preparedRows({ ...options, inputs, onRow })) {
      licences.set(row.source, (licences.get(row.source) ?? new Set()).add(row.licence));
      yield row;
    }
  }

  async function* examples(): AsyncGenerator<PassageExample> {
    const passages = groupPassages(rows(), { onClosedEarly: tokenising.onClosedEarly });
    const prompt = passagePromptOf(files, style);
    for await (const example of tokenizePassages(passages, prompt, limits, tokenising.onLeftOut, stylePrompts(files))) {
      if (signal?.aborted === true) throw new KvDistillError("cancelled", "the preparation was stopped");
      lengths.add(example);
      done.examples++;
      onProgress?.(done);
      yield example;
    }
    if (done.examples > 0) return;
    const faults = [...inputs.map(({ report }) => report), tokenising].flatMap((report) => report.lines());
    throw new KvDistillError("bad-argument", "nothing is left to train on", {
      faults,
      ...("context-too-long" in tokenising.counts() ? { hint: "--max-context takes longer contexts" } : {}),
    });
  }

  return {
    examples: examples(),
    inputs,
    tokenising,
    lengths,
    licenceOf: (source) => [...(licences.get(source) ?? ["not stated"])].join(", "),
  };
}

/**
 * Makes a token store of inputs, whole or not at all.
 * @throws KvDistillError `bad-argument` when the folder exists and is not to be replaced, or is no store, or nothing is left to store, `cancelled`, `disk`,
 * and what the sources throw
 */
export async function prepareStore(
  out: string,
  options: PreparationOptions,
  { replace }: { readonly replace: boolean },
): Promise<{ readonly header: StoreHeader; readonly preparation: Preparation }> {
  const { files } = options;
  if (replace) await checkReplaceable(out);
  const preparation = startPreparation(options);
  let header: StoreHeader | undefined;
  await writeFolderAtomic(
    out,
    async (folder) => {
      const { examples, tokenising, licenceOf, lengths } = preparation;
      header = await writeStoreFiles(folder, files.tokenizer.idLimit, {
        examples,
        licenceOf,
        facts: () => factsOf(options, preparation.inputs),
        leftOut: () => tokenising.counts(),
      });
      const data = options.inputs.map(({ path }) => basename(path)).join(", ");
      await writeFileAtomic(join(folder, STORE_FILES.chart), Buffer.from(lengthsChart(lengths, data, files.name)));
    },
    { replace },
  );
  if (header === undefined) throw new Error("a folder was written without its header");
  return { header, preparation };
}

/** @throws KvDistillError `bad-argument` when something other than a store is there: nobody means to delete that */
async function checkReplaceable(path: string): Promise<void> {
  if (!(await pathExists(path)) || (await isTokenStore(path))) return;
  throw new KvDistillError("bad-argument", "what is there is no token store, and stays", {
    where: path,
    hint: "choose another name for --out",
  });
}

function factsOf(options: PreparationOptions, inputs: readonly InputReport[]): StoreFacts {
  const { files, style, limits, seed, maxRows, weights, deduplicate, evaluation } = options;
  return {
    created_by: PACKAGE_NAME_AND_VERSION,
    model: files.name,
    tokenizer: { hash: files.tokenizerHash, id_limit: files.tokenizer.idLimit },
    prompt: { style, hash: promptHash(files, style) },
    limits,
    seed,
    ...(maxRows === undefined ? {} : { max_rows: maxRows }),
    deduplicate,
    ...(evaluation === undefined ? {} : { decontaminate: { files: [...evaluation.files], ...evaluation.rule } }),
    inputs: inputs.map(({ input, read, kept, report }, i) => ({
      reader: input.source.name,
      path: input.path,
      ...(weights?.[i] === undefined ? {} : { weight: weights[i] }),
      read,
      kept,
      leftOut: report.counts(),
    })),
  };
}
