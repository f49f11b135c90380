import type { EngineDevice } from "../runtime/options.ts";
import type { ModelConfig } from "./config.ts";

/** Whether the engine has the fused kernel for a model's heads there. */
export function hasFusedAttention({ headDim }: ModelConfig, device: EngineDevice): boolean {
  return device === "cpu" && headDim % 8 === 0;
}
