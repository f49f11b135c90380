import { basename, dirname } from "node:path";
import type { ExternalData } from "../graph/onnx/writer.ts";
import { KvDistillError } from "../util/errors.ts";
import type { ModelFiles } from "./model-files.ts";

/**
 * A model's weights as the engine maps them: basenames in one folder.
 * @throws KvDistillError `unsupported` when the files lie in several folders.
 */
export function externalWeights({ weights, folder }: ModelFiles): {
  readonly folder: string;
  readonly weights: ReadonlyMap<string, ExternalData>;
} {
  const folders = new Set([...weights.values()].map(({ file }) => dirname(file)));
  const [only = folder] = folders;
  if (folders.size > 1) {
    throw new KvDistillError("unsupported", "weights lie in several folders", {
      where: folder,
      got: [...folders].join(", "),
    });
  }
  const located = [...weights].map(
    ([name, { file, offset, dims }]) => [name, { file: basename(file), offset, dims }] as const,
  );
  return { folder: only, weights: new Map(located) };
}
