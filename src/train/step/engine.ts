import type { AdapterSelection } from "../../cache/adapter.ts";
import type { Gate } from "../../compress/gate.ts";
import type { ModelConfig } from "../../models/config.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TrainingPrograms } from "./programs.ts";
import type { TrainingWeights } from "./weights.ts";

/** The method's choices that a step depends on. */
export interface StepSettings {
  /** Blocks below the scorer (METHOD section 1). */
  readonly eta: number;
  readonly sinks: number;
  readonly gate: Gate;
  readonly selection: AdapterSelection;
  /** See `AdapterConfig`. */
  readonly strengthExponent: number;
  /** Tokens of a context that are encoded in one piece; longer ones are folded (METHOD section 6). */
  readonly foldTokens: number;
  /** Weight of the distance between scores and the attention that the teacher's probes pay; 0 for none, as the paper has it. */
  readonly scorerLoss: number;
  /** What the probes are: the passage's questions, or all its turns, what is to be repeated too. */
  readonly scorerProbes: ScorerProbes;
}

export const SCORER_PROBES = ["questions", "turns"] as const;
export type ScorerProbes = (typeof SCORER_PROBES)[number];

/** Whether heads keep different numbers of rows. */
export function isRagged({ selection }: Pick<StepSettings, "selection">): boolean {
  return selection === "across-heads";
}

/** Scores of a token: one, or one for every layer and kv head. */
export function scoreColumnsOf({ selection }: Pick<StepSettings, "selection">, config: ModelConfig): number {
  return selection === "shared" ? 1 : config.numLayers * config.numKvHeads;
}

/** Everything that stays the same from step to step. */
export interface StepEngine {
  readonly runtime: Runtime;
  readonly config: ModelConfig;
  readonly programs: TrainingPrograms;
  readonly weights: TrainingWeights;
  readonly settings: StepSettings;
}
