import type { Adapter, AdapterConfig } from "../cache/adapter.ts";
import type { ExampleSet } from "../data/example-set.ts";
import { contextLimit } from "../models/config.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { KvDistillError } from "../util/errors.ts";
import type { TrainConfig } from "./config.ts";
import { scorerWidthOf } from "./step/engine.ts";

type SharedSetting = keyof AdapterConfig & keyof TrainConfig;

/** Settings that an adapter's values depend on: they cannot change when a run starts from it. */
const FIXED = [
  "rank",
  "alpha",
  "eta",
  "scorerNorm",
  "scorerActivation",
  "scorerWidth",
] as const satisfies readonly SharedSetting[];

/** Settings that a run may choose anew, but not without being told to. */
const TAKEN_OVER = [
  "selection",
  "routing",
  "sinkGate",
  "foldPositions",
  "foldCut",
  "readPositions",
  "restRows",
  "strengthExponent",
] as const satisfies readonly SharedSetting[];

/** Settings that a run takes over from the adapter it starts from, unless it says otherwise. Its scorer has learnt and is not fitted anew. */
export function settingsFrom({ config }: Pick<Adapter, "config">): Partial<TrainConfig> {
  return {
    ...Object.fromEntries([...FIXED, ...TAKEN_OVER].map((name) => [name, config[name]])),
    loraScale: config.useRslora ? "rank-stabilised" : "plain",
    scorerStart: "none",
  };
}

/** What must fit together before a run begins. */
export interface RunParts {
  readonly config: TrainConfig;
  readonly files: Pick<ModelFiles, "name" | "hash" | "config">;
  readonly examples: Pick<ExampleSet, "readingLengths" | "nameOf">;
  readonly start: Adapter | undefined;
}

/** @throws KvDistillError `bad-argument`, all faults at once */
export function checkRun({ config, files, examples, start }: RunParts): void {
  const { config: model } = files;
  const faults: string[] = [];
  if (config.eta > model.numLayers) faults.push(`eta: ${config.eta} blocks, the model has ${model.numLayers}`);
  const limit = contextLimit(model);
  const tooLong = examples.readingLengths.filter((tokens) => tokens > limit).length;
  if (tooLong > 0) {
    const first = examples.nameOf(examples.readingLengths.findIndex((tokens) => tokens > limit));
    faults.push(
      `${tooLong} passages with question and answer are longer than the ${limit} tokens that the model takes, ` +
        `among them ${first}; lower maxContext`,
    );
  }
  const base = start?.config.baseModel;
  if (base !== undefined && base.hash !== files.hash) {
    faults.push(
      `model: ${files.name} (sha256 ${files.hash}), the adapter to start from is ${base.name}'s (sha256 ${base.hash})`,
    );
  }
  const fixed = start === undefined ? {} : settingsFrom(start);
  for (const key of [...FIXED, "loraScale"] as const) {
    const [own, asked] = [fixed[key], key === "scorerWidth" ? scorerWidthOf(config, model) : config[key]];
    if (own !== undefined && own !== asked) {
      faults.push(`${key}: ${String(asked)}, the adapter to start from has ${String(own)}`);
    }
  }
  const selection = start?.config.selection;
  // What a token's one score is cannot become what its score for a head is; heads may come to share a budget, and the other way round.
  if (selection !== undefined && (selection === "shared") !== (config.selection === "shared")) {
    faults.push(`selection: ${config.selection}, the adapter to start from has ${selection}`);
  }
  if (faults.length > 0) {
    throw new KvDistillError("bad-argument", "configuration, data and model do not fit", {
      where: "training run",
      faults,
    });
  }
}
