import { input } from "../graph/build.ts";
import type { Node } from "../graph/node.ts";
import type { Lora } from "../nn/lora.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families/index.ts";

/** Rank and scale of the adapters that a graph takes as inputs. */
export interface AdapterShape {
  readonly rank: number;
  /** α / √rank */
  readonly scale: number;
}

/** LoRA matrices of one layer as graph inputs, named `<prefix><module path>.lora_A` and `.lora_B`. */
export function loraInputs(config: ModelConfig, { rank, scale }: AdapterShape, prefix: string): (path: string) => Lora {
  const modules = familyOf(config).adaptedModules;
  const made = new Map<string, Lora>(
    modules.map(({ path, inputs, outputs }) => {
      const a: Node = input(`${prefix}${path}.lora_A`, "float32", [rank, inputs]);
      const b: Node = input(`${prefix}${path}.lora_B`, "float32", [outputs, rank]);
      return [path, { a, b, scale }];
    }),
  );
  return (path) => {
    const lora = made.get(path);
    if (lora === undefined) throw new Error(`the family adapts no module "${path}"`);
    return lora;
  };
}
