import { createHash } from "node:crypto";
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Adapter, AdapterConfig, AdapterTargets } from "../cache/adapter.ts";
import { saveAdapter } from "../cache/save-adapter.ts";
import { createDataReport } from "../data/data-report.ts";
import { type PassageExample, tokenizePassages } from "../data/examples.ts";
import { groupPassages } from "../data/group-passages.ts";
import { readRows } from "../data/read-rows.ts";
import { familyOf } from "../models/families/index.ts";
import { passagePromptOf } from "../models/load-model.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { createRuntime } from "../runtime/runtime.ts";
import { KvDistillError } from "../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { zeroMoments } from "./adamw.ts";
import { checkpointSteps, loadCheckpoint, type RunIdentity, saveCheckpoint } from "./checkpoint.ts";
import { configHash, type TrainConfig } from "./config.ts";
import { adapterOf, newParameters, parametersOf } from "./new-parameters.ts";
import { loadTrainingPrograms } from "./step/programs.ts";
import { loadTrainingWeights } from "./step/weights.ts";
import { type StepReport, train } from "./trainer.ts";

export interface TrainingRunOptions {
  readonly files: ModelFiles;
  /** JSON Lines of questions with contexts, plain or gzip. */
  readonly data: readonly string[];
  /** Folder of checkpoints, metrics, configuration and the adapter. */
  readonly out: string;
  readonly config: TrainConfig;
  /** Continue from the newest complete checkpoint in `out`. */
  readonly resume: boolean;
  /** Values to start from instead of new ones. */
  readonly start?: Adapter;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  readonly threads?: number;
  /** Finishes the step in progress, saves and returns. */
  readonly signal?: AbortSignal;
  readonly onStep?: (report: StepReport) => void;
  readonly onNote?: (line: string) => void;
}

export interface TrainingRunResult {
  readonly step: number;
  /** Folder of the adapter as it stands. */
  readonly adapter: string;
}

/**
 * A training run from data files to an adapter folder, with checkpoints (METHOD section 6).
 * @throws KvDistillError `bad-argument` when the folder holds a run and `resume` is not set, or there is nothing to train on
 */
export async function runTraining(options: TrainingRunOptions): Promise<TrainingRunResult> {
  const { files, out, config, resume, checkpointEvery, signal, onStep, onNote = () => undefined } = options;
  const checkpoints = join(out, "checkpoints");
  if (!resume && (await checkpointSteps(checkpoints)).length > 0) {
    throw new KvDistillError("bad-argument", "the folder holds a training run", {
      where: out,
      hint: "continue it with --resume, or choose another folder",
    });
  }
  const examples = await readExamples(options, onNote);
  const identity: RunIdentity = { configHash: configHash(config), modelHash: files.hash, dataHash: hashOf(examples) };
  const loaded = resume
    ? await loadCheckpoint(checkpoints, identity, (error) => {
        onNote(error.message);
      })
    : undefined;
  const settings = adapterConfig(files, config);
  const parameters =
    options.start === undefined
      ? newParameters(settings.targets, config.rank, config.seed)
      : parametersOf(options.start);
  const state = loaded ?? { step: 0, parameters, moments: zeroMoments(parameters) };

  await mkdir(out, { recursive: true });
  await writeFile(
    join(out, "config.json"),
    JSON.stringify({ ...config, model: files.name, data: options.data, ...identity }, null, 2),
  );
  const runtime = await createRuntime(options.threads === undefined ? {} : { threads: options.threads });
  try {
    const shape = { rank: config.rank, scale: config.alpha / Math.sqrt(config.rank) };
    const engine = {
      runtime,
      config: files.config,
      programs: await loadTrainingPrograms(runtime, files.config, shape, config.lambda),
      weights: await loadTrainingWeights(runtime, files),
      settings: config,
    };
    const last = await train({
      engine,
      examples,
      config,
      state,
      ...(signal === undefined ? {} : { signal }),
      onStep: async (report, now) => {
        await appendFile(join(out, "metrics.jsonl"), `${JSON.stringify(report)}\n`);
        onStep?.(report);
        if (report.step % checkpointEvery === 0) await saveCheckpoint(checkpoints, now, identity);
      },
    });
    await saveCheckpoint(checkpoints, last, identity);
    const adapter = join(out, "adapter");
    await saveAdapter(adapter, adapterOf(last.parameters, settings), { dtype: "F16", replace: true });
    return { step: last.step, adapter };
  } finally {
    await runtime.close();
  }
}

async function readExamples(
  { files, data, config }: TrainingRunOptions,
  onNote: (line: string) => void,
): Promise<PassageExample[]> {
  const report = createDataReport();
  const prompt = passagePromptOf(files, "short-answer");
  const limits = {
    minContextTokens: config.minContext,
    maxContextTokens: config.maxContext,
    maxQuestionTokens: config.maxQuestion,
    maxAnswerTokens: config.maxAnswer,
    maxQuestions: config.questions,
    reconstructionTokens: config.reconstruction,
  };
  const examples: PassageExample[] = [];
  for (const path of data) {
    const passages = groupPassages(readRows(path, report.onFault), { onClosedEarly: report.onClosedEarly });
    for await (const example of tokenizePassages(passages, prompt, limits, report.onLeftOut)) examples.push(example);
  }
  for (const line of report.lines()) onNote(line);
  if (examples.length === 0)
    throw new KvDistillError("bad-argument", "there is nothing to train on", { where: data.join(", ") });
  return examples;
}

function hashOf(examples: readonly PassageExample[]): string {
  const hash = createHash("sha256");
  for (const { id, contextIds, turns } of examples) hash.update(JSON.stringify([id, contextIds, turns]));
  return hash.digest("hex");
}

/** What an adapter for this model and configuration says of itself. */
function adapterConfig({ name, hash, config: model }: ModelFiles, config: TrainConfig): AdapterConfig {
  const family = familyOf(model);
  const targets: AdapterTargets = {
    layersPath: family.layerPath(0).replace(/\.0$/, ""),
    numLayers: model.numLayers,
    hiddenSize: model.hiddenSize,
    modules: family.adaptedModules,
  };
  return {
    rank: config.rank,
    alpha: config.alpha,
    useRslora: true,
    fanInFanOut: model.family === "gpt2",
    eta: config.eta,
    sinks: config.sinks,
    gate: config.gate,
    baseModel: { name, hash },
    targets,
    createdBy: PACKAGE_NAME_AND_VERSION,
  };
}
