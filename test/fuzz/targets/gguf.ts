import { dequantize } from "../../../src/formats/gguf/dequantize.ts";
import { type GgufFile, parseGgufHeader } from "../../../src/formats/gguf/header.ts";
import { GGUF_LIMITS } from "../../../src/formats/gguf/limits.ts";
import { readGgufModel } from "../../../src/models/gguf/source.ts";
import { describeModel } from "../../../src/models/loading/describe.ts";
import { matchWeights } from "../../../src/models/loading/match-weights.ts";
import { isKvDistillError } from "../../../src/util/errors.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { bytesCase, filesCase, golden } from "../make/case.ts";
import type { Dice } from "../make/dice.ts";
import { ggufParts } from "../make/gguf-parts.ts";
import { mutateParts, type Part, partsBytes } from "../make/parts.ts";
import { must, type Target } from "../target.ts";
import { elementsOf } from "./elements.ts";

const mutated = (parts: readonly Part[], whole: Uint8Array, dice: Dice): Uint8Array =>
  dice.chance(0.85) ? partsBytes(mutateParts(parts, dice)) : mutateBytes(whole, dice);

/** The header of a GGUF file in memory, and its tensors dequantised. */
export const ggufHeader: Target = {
  name: "gguf-header",
  share: 150,
  open: () => {
    const [file, large] = [golden("gguf/small.gguf"), golden("gguf-models/qwen2.gguf")];
    const small = { whole: file, parts: ggufParts(file) };
    // Of the model only what stands in front of its tensors: its vocabulary is long enough.
    const model = { whole: large.subarray(0, 9000), parts: ggufParts(large) };
    return Promise.resolve({
      make: (dice) => {
        // The small file has a tensor of every type, the model a vocabulary, which takes three times as long.
        const { parts, whole } = dice.chance(0.75) ? small : model;
        return bytesCase(mutated(parts, whole, dice), checkHeader);
      },
      edges: function* () {
        for (const bytes of damages(file)) yield bytesCase(bytes, checkHeader);
      },
      close: () => Promise.resolve(),
    });
  },
};

function checkHeader(bytes: Uint8Array): void {
  const read = (offset: number, length: number): Uint8Array => {
    must(
      offset >= 0 && length >= 0 && offset + length <= bytes.length,
      `read ${length} bytes at ${offset} of ${bytes.length}`,
    );
    return bytes.slice(offset, offset + length);
  };
  const file = parseGgufHeader({ size: bytes.length, read }, "file.gguf", GGUF_LIMITS);
  checkTensors(file, bytes.length);
  for (const { type, offset, byteLength, elements } of file.tensors.values()) {
    try {
      must(
        dequantize(type, bytes.subarray(offset, offset + byteLength), "tensor").length === elements,
        "elements of a tensor",
      );
    } catch (error) {
      if (!isKvDistillError(error) || error.code !== "unsupported") throw error;
    }
  }
}

function checkTensors({ tensors }: GgufFile, size: number): void {
  let covered = 0;
  for (const { name, shape, elements, offset, byteLength } of [...tensors.values()].sort(
    (a, b) => a.offset - b.offset,
  )) {
    must(offset >= covered && offset + byteLength <= size, `tensor ${name} does not lie alone in the file`);
    must(elementsOf(shape) === elements && shape.length <= 4, `elements of tensor ${name}`);
    covered = offset + byteLength;
  }
}

/** Of the damages of a whole model one in so many is tried: each is read to its last weight. */
const DAMAGES_APART = 13;

/** A GGUF file opened as a model: configuration, tokenizer, template, every weight. */
export const ggufModel: Target = {
  name: "gguf-model",
  share: 20,
  open: (scratch) => {
    const samples = ["llama", "llama3", "gpt2"].map((name) => {
      const whole = golden(`gguf-models/${name}.gguf`);
      return { whole, parts: ggufParts(whole) };
    });
    const make = (bytes: Uint8Array) =>
      filesCase(scratch, { "model.gguf": bytes }, (folder) => checkModel(`${folder}/model.gguf`));
    return Promise.resolve({
      make: (dice) => {
        const { parts, whole } = dice.pick(samples);
        return make(mutated(parts, whole, dice));
      },
      edges: function* () {
        let place = 0;
        for (const bytes of damages(samples[0]?.whole ?? new Uint8Array()))
          if (place++ % DAMAGES_APART === 0) yield make(bytes);
      },
      close: () => Promise.resolve(),
    });
  },
};

async function checkModel(path: string): Promise<void> {
  const source = await readGgufModel(path);
  const { config, tokenizer } = describeModel(source);
  must(tokenizer.idLimit <= config.vocabSize, "ids beyond the vocabulary");
  for (const { name, dims, read } of matchWeights(config, source.weights, path).values()) {
    must((await read()).length === elementsOf(dims), `elements of ${name}`);
  }
}
