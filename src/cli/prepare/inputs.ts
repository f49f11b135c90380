import type { PrepareInput } from "../../data/prepare/prepared-rows.ts";
import { dataPath } from "../../data/sources/data-path.ts";
import { SOURCE_NAMES, sourceNamed } from "../../data/sources/index.ts";
import { quote } from "../../util/quote.ts";
import type { CommandContext } from "../context.ts";
import { withModelProgress } from "../model-progress.ts";
import { suggest } from "../suggest.ts";

/** How data to read is written on a command line. */
export const INPUTS_HELP = `data to read, each as READER=PATH of a file or folder, or of org/name[@revision] of the hub's data sets; readers: ${SOURCE_NAMES.join(", ")}`;

/** `squad=train-v1.1.json` and the like as inputs, or all that is wrong with them. */
export function parseInputs(given: readonly string[]): {
  readonly inputs: readonly PrepareInput[];
  readonly faults: readonly string[];
} {
  const inputs: PrepareInput[] = [];
  const faults: string[] = [];
  for (const text of given) {
    const [name, path] = cutAtFirst(text, "=");
    if (!SOURCE_NAMES.includes(name)) {
      const meant = suggest(name, SOURCE_NAMES);
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      faults.push(
        `<inputs>: no reader ${quote(name)} for ${quote(text)}; expected one of ${SOURCE_NAMES.join(", ")}${hint}`,
      );
    } else if (path === "") {
      const { hub } = sourceNamed(name);
      const where = hub === undefined ? "" : `; its files are published as ${hub} on the Hugging Face hub`;
      faults.push(`<inputs>: ${quote(text)} names no file; expected ${name}=PATH${where}`);
    } else if (inputs.some((input) => input.source.name === name && input.path === path)) {
      faults.push(`<inputs>: ${quote(text)} stands there twice`);
    } else inputs.push({ source: sourceNamed(name), path });
  }
  return { inputs, faults };
}

/**
 * Inputs with the paths at which their data lies: those that are there, and the hub's data sets, fetched where they were not before.
 * @throws KvDistillError as `dataPath`
 */
export async function locateInputs(
  inputs: readonly PrepareInput[],
  { log, signal }: CommandContext,
): Promise<readonly PrepareInput[]> {
  const located: PrepareInput[] = [];
  for (const { source, path } of inputs) {
    const found = await withModelProgress(log, (reporter) => dataPath(path, { ...reporter, signal }));
    located.push({ source, path: found });
  }
  return located;
}

function cutAtFirst(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
