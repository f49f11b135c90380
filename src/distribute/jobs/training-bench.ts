import type { TrainConfig } from "../../train/config.ts";
import type { Parameters } from "../../train/parameters.ts";
import type { StepEngine } from "../../train/step/engine.ts";
import type { StoredFile } from "../store/key.ts";

/** What a machine holds for the jobs of training, from one to the next. */
export interface TrainingBench {
  /** Graphs and weights for a configuration. */
  engine(config: TrainConfig): Promise<StepEngine>;
  /** The parameters in a file of the store; not to be changed. */
  parameters(file: StoredFile): Promise<Parameters>;
}
