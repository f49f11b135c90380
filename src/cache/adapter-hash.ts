import type { Adapter } from "./adapter.ts";
import { sha256 } from "../util/sha256.ts";
import { laterSettings } from "./adapter-json.ts";
import { adapterArrays } from "./adapter-tensors.ts";

/**
 * What an adapter computes, as a sha256 in lower-case hex: its settings and its float32 values (docs/formats/adapter.md).
 * The names of model and program do not count, nor how values are stored; rounding them to F16 makes another adapter.
 */
export function adapterHash(adapter: Adapter): string {
  const { rank, alpha, useRslora, eta, sinks, gate, selection, baseModel, targets } = adapter.config;
  const settings = {
    eta,
    sinks,
    gate,
    selection,
    ...laterSettings(adapter.config),
    rank,
    alpha,
    use_rslora: useRslora,
    base_model_hash: baseModel.hash,
    layers_path: targets.layersPath,
    num_layers: targets.numLayers,
    hidden_size: targets.hiddenSize,
    num_kv_heads: targets.numKvHeads,
    modules: targets.modules.map(({ path, inputs, outputs }) => ({ path, inputs, outputs })),
  };
  const sum = sha256().update(JSON.stringify(settings));
  for (const { values } of adapterArrays(adapter)) {
    if (values !== undefined) sum.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return sum.hex();
}
