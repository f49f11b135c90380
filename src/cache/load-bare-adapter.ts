import { join } from "node:path";
import { z } from "zod";
import { KvDistillError } from "../util/errors.ts";
import { type Adapter, type AdapterConfig, type AdapterTargets, USUAL_CHOICES } from "./adapter.ts";
import { loraPairs } from "./adapter-tensors.ts";
import { checkAdapter } from "./check-adapter.ts";
import { openAdapterFiles, readJson } from "./load-adapter.ts";
import { schemaFaults } from "./read-adapter.ts";
import { readAdapterTensors } from "./read-adapter-tensors.ts";

/** The whole of a bare adapter's kv-distill.json. */
const schema = z.strictObject({
  eta: z.int().min(1),
  sink: z.int().min(0),
  alpha: z.number().positive(),
});

export interface BareAdapterOptions {
  /** The model that the adapter was made for; the folder does not say. */
  readonly baseModel: { readonly name: string; readonly hash: string };
  readonly targets: AdapterTargets;
}

/**
 * Loads a bare adapter: the two safetensors files and a kv-distill.json of `eta`, `sink` and `alpha` alone, without
 * adapter_config.json or hashes (docs/formats/adapter.md). The rank is that of the tensors, LoRA is rank-stabilised, the
 * gate is the paper's.
 * @throws KvDistillError `bad-file` listing all faults, `not-found`, `disk`, `too-large`, `not-finite`.
 */
export async function loadBareAdapter(folder: string, options: BareAdapterOptions): Promise<Adapter> {
  const settings = schema.safeParse(await readJson(join(folder, "kv-distill.json")));
  if (!settings.success) {
    const faults = schemaFaults("kv-distill.json", settings);
    throw new KvDistillError("bad-file", "not a bare adapter", { where: folder, faults });
  }
  const files = await openAdapterFiles(folder);
  const { eta, sink, alpha } = settings.data;
  const config: AdapterConfig = {
    rank: rankOf(files.lora.file.entries, options.targets),
    alpha,
    useRslora: true,
    fanInFanOut: false,
    eta,
    sinks: sink,
    gate: "sigmoid",
    selection: "shared",
    ...USUAL_CHOICES,
    scorerWidth: options.targets.hiddenSize,
    baseModel: options.baseModel,
    targets: options.targets,
    createdBy: "unknown",
  };
  const adapter = await readAdapterTensors(folder, files, config);
  checkAdapter(adapter, folder);
  return adapter;
}

/** Rows of the first A; 1 when it is missing, which is then reported with everything else that is. */
function rankOf(entries: ReadonlyMap<string, { readonly shape: readonly number[] }>, targets: AdapterTargets): number {
  const first = loraPairs({ rank: 1, targets })[0];
  return (first === undefined ? undefined : entries.get(first.a.name)?.shape[0]) ?? 1;
}
