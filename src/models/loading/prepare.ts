import { dirname, join } from "node:path";
import { writeSafetensors } from "../../formats/safetensors/write.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { writeFolderAtomic } from "../../util/atomic-folder.ts";
import { requireRoom } from "../../util/disk-room.ts";
import { pathExists } from "../../util/path-exists.ts";
import type { ModelReporter } from "../progress.ts";
import { describeModel } from "./describe.ts";
import { matchWeights } from "./match-weights.ts";
import type { ModelSource, SourceWeight } from "./model-source.ts";

/** Where a prepared model came from, for people: kept in its folder as source.json. */
export interface Provenance {
  readonly kind: "huggingface-folder" | "gguf-file" | "huggingface-hub" | "python-package";
  readonly from: string;
  readonly [detail: string]: unknown;
}

/**
 * Writes a model as a Hugging Face folder with one float32 model.safetensors, whole or not at all. The model is checked
 * first: nothing is written for one that could not be opened.
 * @param folder must not exist; its parent must
 * @throws KvDistillError as `describeModel` and `matchWeights`, `disk` (also when the disk has too little room).
 */
export async function prepareModel(
  source: ModelSource,
  folder: string,
  provenance: Provenance,
  reporter: ModelReporter,
): Promise<void> {
  const { config } = describeModel(source);
  const weights = matchWeights(config, source.weights, source.where);
  const sizes = [...weights.values()].map(({ dims }) => 4 * elementCount(dims));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  await requireRoom(dirname(folder), total, "the float32 weights");
  let done = 0;
  const convert = async (weight: SourceWeight): Promise<Uint8Array> => {
    const values = await weight.read();
    done += values.byteLength;
    reporter.onProgress?.({ step: "convert", item: source.where, done, total });
    return new Uint8Array(values.buffer);
  };
  const write = async (target: string): Promise<void> => {
    for (const [name, text] of source.texts) await writeFileAtomic(join(target, name), Buffer.from(text));
    await writeFileAtomic(join(target, "source.json"), Buffer.from(`${JSON.stringify(provenance, undefined, 2)}\n`));
    const tensors = [...weights].map(([name, weight]) => ({
      name,
      dtype: "F32" as const,
      shape: weight.dims,
      bytes: () => convert(weight),
    }));
    await writeSafetensors(join(target, "model.safetensors"), tensors, { metadata: new Map([["format", "pt"]]) });
  };
  await writeFolderAtomic(folder, write).catch(async (error: unknown) => {
    // Another process may have finished the same model meanwhile: its folder is as good.
    if (!(await pathExists(join(folder, "model.safetensors")))) throw error;
  });
}
