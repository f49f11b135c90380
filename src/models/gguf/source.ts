import { openGguf } from "../../formats/gguf/open.ts";
import { readGgufFloats } from "../../formats/gguf/read.ts";
import type { ModelSource } from "../loading/model-source.ts";
import { describeGguf } from "./describe-gguf.ts";

/**
 * A GGUF file on disk as the Hugging Face folder it stands for; see `describeGguf`.
 * @throws KvDistillError `not-found`, `disk`, `bad-file`, `too-large`, `unsupported`.
 */
export async function readGgufModel(path: string): Promise<ModelSource> {
  return describeGguf(await openGguf(path), readGgufFloats);
}
