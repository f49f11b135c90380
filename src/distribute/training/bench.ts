import type { ModelFiles } from "../../models/model-files.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TrainConfig } from "../../train/config.ts";
import { readParameterTensors } from "../../train/parameter-file.ts";
import type { Parameters } from "../../train/parameters.ts";
import type { StepEngine } from "../../train/step/engine.ts";
import { closePrograms, openStepEngine } from "../../train/step/open-engine.ts";
import type { TrainingBench } from "../jobs/training-bench.ts";
import type { StoredFile } from "../store/key.ts";
import type { Store } from "../store/store.ts";
import { readTensors } from "../store/tensors.ts";

/** The one set of graphs and the one set of parameters that a machine holds: jobs of a round ask for the same again and again. */
export class HeldBench implements TrainingBench {
  private readonly runtime: Runtime;
  private readonly files: ModelFiles;
  private readonly store: Store;
  private readonly scratch: string;
  private held: { readonly settings: string; readonly config: TrainConfig; readonly engine: StepEngine } | undefined;
  private read: { readonly sha256: string; readonly parameters: Parameters } | undefined;

  constructor(runtime: Runtime, files: ModelFiles, store: Store, scratch: string) {
    this.runtime = runtime;
    this.files = files;
    this.store = store;
    this.scratch = scratch;
  }

  async engine(config: TrainConfig): Promise<StepEngine> {
    const settings = JSON.stringify(config);
    if (this.held?.settings === settings) return this.held.engine;
    const before = this.held;
    const sameWeights = before?.config.precision === config.precision;
    const engine = await openStepEngine(
      this.runtime,
      this.files,
      config,
      sameWeights ? before.engine.weights : undefined,
    );
    this.held = { settings, config, engine };
    if (before !== undefined) {
      await closePrograms(before.engine);
      if (!sameWeights) before.engine.weights.release();
    }
    return engine;
  }

  async parameters(file: StoredFile): Promise<Parameters> {
    if (this.read?.sha256 === file.sha256) return this.read.parameters;
    this.read = undefined;
    const parameters = await readTensors(this.store, file, this.scratch, (found) => readParameterTensors(found, ""));
    this.read = { sha256: file.sha256, parameters };
    return parameters;
  }

  clear(): void {
    this.held?.engine.weights.release();
    this.held = undefined;
    this.read = undefined;
  }
}
