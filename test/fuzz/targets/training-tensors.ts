import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors } from "../../../src/formats/safetensors/open.ts";
import { writeSafetensors } from "../../../src/formats/safetensors/write.ts";
import { tensor } from "../../../src/tensor/tensor.ts";
import type { DeltaFormat } from "../../../src/train/config.ts";
import { encodeDelta, readDelta } from "../../../src/train/diloco/delta.ts";
import { parameterTensors, readParameterTensors } from "../../../src/train/parameter-file.ts";
import { mutateBytes } from "../make/bytes.ts";
import { damagedFiles, filesCase } from "../make/case.ts";
import { mutateSafetensors, safetensorsParts } from "../make/safetensors-parts.ts";
import { type Case, must, type Target } from "../target.ts";
import { elementsOf } from "./elements.ts";

const NAME = "file.safetensors";
const FORMATS: readonly DeltaFormat[] = ["float32", "float16", "int8"];
const LIKE = new Map([
  [
    "layers.0.q.lora_A",
    tensor(
      "float32",
      [2, 3],
      Float32Array.from({ length: 6 }, (_, i) => i / 4),
    ),
  ],
  ["scorer.bias", tensor("float32", [2], Float32Array.of(-1, 2))],
]);

/** Tensors that a crew exchanges: parameters and moments, and deltas in each of their formats. */
export const trainingTensors: Target = {
  name: "training-tensors",
  share: 20,
  open: async (scratch) => {
    const path = join(scratch, NAME);
    const written = async (tensors: Parameters<typeof writeSafetensors>[1]): Promise<Uint8Array> => {
      await writeSafetensors(path, tensors);
      return readFile(path);
    };
    const samples: { readonly whole: Uint8Array; readonly check: (path: string) => Promise<void> }[] = [];
    for (const format of FORMATS)
      samples.push({ whole: await written(encodeDelta(LIKE, format).tensors), check: checkDelta(format) });
    samples.push({
      whole: await written([...parameterTensors("first.", LIKE), ...parameterTensors("lost.", LIKE)]),
      check: checkParameters,
    });
    const taken = samples.map((sample) => ({ ...sample, parts: safetensorsParts(sample.whole) }));
    const make = (bytes: Uint8Array, check: (path: string) => Promise<void>): Case =>
      filesCase(scratch, { [NAME]: bytes }, (folder) => check(join(folder, NAME)));
    return {
      make: (dice) => {
        const { whole, parts, check } = dice.pick(taken);
        return make(dice.chance(0.85) ? mutateSafetensors(parts, dice) : mutateBytes(whole, dice), check);
      },
      edges: function* () {
        for (const { whole, check } of samples)
          for (const files of damagedFiles({ [NAME]: whole }, NAME)) yield make(files[NAME] ?? new Uint8Array(), check);
      },
      close: () => Promise.resolve(),
    };
  },
};

function checkDelta(format: DeltaFormat): (path: string) => Promise<void> {
  return async (path) => {
    const delta = await readDelta(await openSafetensors(path), LIKE, format);
    must([...delta.keys()].join() === [...LIKE.keys()].join(), "other tensors than the parameters");
    for (const [name, { dims, data }] of delta)
      must(dims.join() === LIKE.get(name)?.dims.join() && data.length === elementsOf(dims), `shape of ${name}`);
  };
}

async function checkParameters(path: string): Promise<void> {
  for (const { dims, data } of (await readParameterTensors(await openSafetensors(path), "first.")).values())
    must(data.length === elementsOf(dims), "elements of a parameter");
}
