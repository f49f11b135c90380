import { adapterHash } from "../cache/adapter-hash.ts";
import { scorerShapes } from "../cache/adapter-tensors.ts";
import { type Adapter, loraScale } from "../cache/adapter.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { type LoadedLora, loadLora } from "../models/loaded-lora.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** An adapter ready to use with a model. */
export interface LoadedAdapter {
  readonly adapter: Adapter;
  /** As `adapterHash`, once: it reads every number. */
  readonly hash: string;
  readonly lora: LoadedLora;
  /** Inputs of the scorer's graph. */
  readonly scorer: Readonly<Record<string, Tensor<"float32">>>;
  release(): void;
}

/** Puts an adapter where the model runs. */
export async function attachAdapter(model: LanguageModel, adapter: Adapter): Promise<LoadedAdapter> {
  const { config, lora, scorer } = adapter;
  const shapes = scorerShapes(config);
  const loaded = await loadLora(model.runtime, lora, { rank: config.rank, scale: loraScale(config) });
  return {
    adapter,
    hash: adapterHash(adapter),
    lora: loaded,
    scorer: {
      "fc1.weight": tensor("float32", shapes["fc1.weight"], scorer["fc1.weight"]),
      "fc1.bias": tensor("float32", shapes["fc1.bias"], scorer["fc1.bias"]),
      "fc2.weight": tensor("float32", shapes["fc2.weight"], scorer["fc2.weight"]),
      "fc2.bias": tensor("float32", shapes["fc2.bias"], scorer["fc2.bias"]),
    },
    release: () => {
      loaded.release();
    },
  };
}
