import type { ExternalData } from "../graph/onnx/writer.ts";
import type { OnnxProgram } from "../runtime/runtime-over.ts";
import { KvDistillError } from "../util/errors.ts";
import type { ModelFiles } from "./model-files.ts";

/** A model's weights as the engine finds them, and as a graph's ONNX bytes refer to them. */
export interface ExternalWeights {
  readonly weights: ReadonlyMap<string, ExternalData>;
  readonly where: Pick<OnnxProgram, "weightsFolder" | "weights">;
}

/**
 * Where a model's weights lie for the engine: basenames in one folder that it maps, or tensors that it holds already.
 * @throws KvDistillError `unsupported` when the files lie in several folders.
 */
export function externalWeights({ weights, folder, residents }: ModelFiles): ExternalWeights {
  if (residents !== undefined) {
    const named = [...residents].map(([name, { dims }]) => [name, { file: name, offset: 0, dims }] as const);
    return { weights: new Map(named), where: { weights: residents } };
  }
  const located = [...weights].map(([name, { file, ...rest }]) => ({ name, ...rest, ...splitPath(file) }));
  const folders = new Set(located.map((weight) => weight.folder));
  const [only = folder] = folders;
  if (folders.size > 1) {
    throw new KvDistillError("unsupported", "weights lie in several folders", {
      where: folder,
      got: [...folders].join(", "),
    });
  }
  return {
    weights: new Map(located.map(({ name, file, offset, dims }) => [name, { file, offset, dims }])),
    where: { weightsFolder: only },
  };
}

/** Folder and basename of an absolute path, which begins with `/` or, on Windows, with a drive or `\\`. */
function splitPath(path: string): { readonly folder: string; readonly file: string } {
  const at = Math.max(path.lastIndexOf("/"), path.startsWith("/") ? -1 : path.lastIndexOf("\\"));
  // A root keeps its separator.
  const end = path.slice(0, at).includes("/") || path.slice(0, at).includes("\\") ? at : at + 1;
  return { folder: path.slice(0, end), file: path.slice(at + 1) };
}
