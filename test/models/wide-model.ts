import { cp, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { floatTensor } from "../../src/formats/safetensors/float-tensor.ts";
import { writeSafetensors } from "../../src/formats/safetensors/write.ts";
import { readModelConfig } from "../../src/models/read-config.ts";
import { stepGraph } from "../../src/models/step-graph.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { editJson, tinyModel } from "./tiny-models.ts";

/** A random model whose matrices divide into blocks, with the tokenizer of a tiny one. */
export async function wideModel(name: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await cp(tinyModel(name), folder, { recursive: true });
  await editJson(join(folder, "config.json"), (config) => {
    if (name === "gpt2") Object.assign(config, { n_embd: 64, n_inner: 96 });
    else Object.assign(config, { hidden_size: 64, intermediate_size: 96 });
  });
  const path = join(folder, "config.json");
  const config = readModelConfig(JSON.parse(await readFile(path, "utf8")), path);
  const random = randomFromSeed(11);
  const tensors = stepGraph(config, { result: "logits" }).weights.map(({ attributes: { name, type } }) => {
    const dims = type.shape.map(Number);
    const scale = dims.length === 1 ? 1 : 0.3;
    const count = dims.reduce((product, dim) => product * dim, 1);
    return floatTensor(
      name,
      dims,
      Float32Array.from({ length: count }, () => scale * random.normal()),
      "F32",
    );
  });
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folder;
}
