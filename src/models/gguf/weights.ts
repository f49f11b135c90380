import type { GgufFile, GgufTensor } from "../../formats/gguf/header.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { SourceWeight } from "../loading/model-source.ts";
import { huggingfaceName, type Architecture, type Rearrangement } from "./architectures.ts";
import type { ReadGgufTensor } from "./read-tensor.ts";
import { transpose, undoRotaryInterleave } from "./rearrange.ts";
import { ROPE_FACTORS } from "./rope-factors.ts";

export interface HeadCounts {
  readonly queries: number;
  readonly keys: number;
}

/**
 * A GGUF file's tensors under their Hugging Face names, dequantised and in Hugging Face's order when read.
 * @throws KvDistillError `unsupported` for tensors that the architecture does not have.
 */
export function ggufWeights(
  file: GgufFile,
  architecture: Architecture,
  heads: HeadCounts,
  read: ReadGgufTensor,
): SourceWeight[] {
  const unknown: string[] = [];
  const weights: SourceWeight[] = [];
  for (const tensor of file.tensors.values()) {
    if (tensor.name === ROPE_FACTORS) continue; // part of the configuration
    const found = huggingfaceName(architecture, tensor.name);
    if (found === undefined) unknown.push(quote(tensor.name));
    else weights.push(sourceWeight(tensor, found, heads, read));
  }
  if (unknown.length > 0) {
    throw new KvDistillError("unsupported", `tensors that a ${architecture.modelType} model does not have`, {
      where: file.path,
      faults: unknown.slice(0, 20),
    });
  }
  return weights;
}

function sourceWeight(
  tensor: GgufTensor,
  { name, rearranged }: { readonly name: string; readonly rearranged: Rearrangement },
  heads: HeadCounts,
  read: ReadGgufTensor,
): SourceWeight {
  const { shape } = tensor;
  const [rows = 1, columns = 1] = shape;
  const rotary = (count: number) => {
    if (rows % (2 * count) !== 0) {
      throw new KvDistillError("bad-file", "the heads do not divide the rows", {
        where: `${tensor.file}: tensor ${quote(tensor.name)}`,
        expected: `a multiple of ${2 * count}`,
        got: rows.toString(),
      });
    }
    return async () => undoRotaryInterleave(await read(tensor), count, columns);
  };
  const reading = { name, dims: shape, location: undefined };
  switch (rearranged) {
    case "none":
      return { ...reading, read: () => read(tensor) };
    case "transposed":
      return {
        ...reading,
        dims: [columns, rows],
        read: async () => transpose(await read(tensor), rows, columns),
      };
    case "rotary-query":
      return { ...reading, read: rotary(heads.queries) };
    case "rotary-key":
      return { ...reading, read: rotary(heads.keys) };
  }
}
