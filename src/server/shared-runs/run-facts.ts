import { basename, join } from "node:path";
import { CONFIG_FILE } from "../../evaluate/run/run-folder.ts";
import { parseResult } from "../../evaluate/report/stored-result.ts";
import { readRunConfig, readRunRecord } from "../../train/run-files.ts";
import { type CurvePoint, METRICS_FILE, readMetrics } from "../../train/metrics.ts";
import { isKvDistillError } from "../../util/errors.ts";
import { readTextFile } from "../../util/read-text.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";
import type { FoundRun, RunId } from "./find-runs.ts";

interface Facts {
  readonly id: RunId;
  readonly object: "run";
  readonly name: string;
  /** Unix time in seconds. */
  readonly updated: number;
  /** Why the run cannot be read, where it cannot. */
  readonly fault?: string;
}

export interface TrainingFacts extends Facts {
  readonly kind: "training";
  readonly model?: string;
  readonly started?: string;
  /** Steps done, and in all. */
  readonly step?: number;
  readonly steps?: number;
  readonly examples?: number;
  /** Of the last step. */
  readonly last?: Omit<CurvePoint, "step">;
}

export interface EvaluationFacts extends Facts {
  readonly kind: "evaluation";
  readonly finished: boolean;
  readonly task?: string;
  readonly methods?: readonly string[];
  readonly keeps?: readonly number[];
  /** Of a finished one. */
  readonly model?: string;
  readonly questions?: number;
  readonly finished_at?: string;
}

export type RunFacts = TrainingFacts | EvaluationFacts;

const MAX_RESULT_BYTES = 16 << 20;
const MAX_CONFIG_BYTES = 1 << 20;

/** A run as the API tells it; one that cannot be read says so. */
export async function runFacts(run: FoundRun): Promise<RunFacts> {
  const { id, name, updatedAt } = run;
  const facts = { id, object: "run" as const, name, updated: Math.floor(updatedAt / 1000) };
  const own =
    run.kind === "training"
      ? { ...facts, kind: "training" as const }
      : { ...facts, kind: "evaluation" as const, finished: run.hasResult };
  try {
    if (own.kind === "training") return { ...own, ...(await trainingFacts(run.path)) };
    return { ...own, ...(await evaluationFacts(run)) };
  } catch (error) {
    if (!isKvDistillError(error)) throw error;
    return { ...own, fault: messageFor(run, error.message) };
  }
}

/** What a message says, without where the shared folder lies. */
export function messageFor({ path, name }: Pick<FoundRun, "path" | "name">, message: string): string {
  return message.replaceAll(path, name);
}

async function trainingFacts(folder: string): Promise<Partial<TrainingFacts>> {
  const { model, data, sessions } = await readRunRecord(folder);
  const { steps } = await readRunConfig(folder);
  const last = (await readMetrics(join(folder, METRICS_FILE))).at(-1);
  return {
    // A model may be named by its path, which concerns nobody outside.
    model: basename(model.name),
    ...(sessions[0] === undefined ? {} : { started: sessions[0].startedAt }),
    step: last?.step ?? 0,
    steps,
    examples: data.examples,
    ...(last === undefined ? {} : { last: { loss: last.loss, forwardKl: last.forwardKl, reverseKl: last.reverseKl } }),
  };
}

async function evaluationFacts({ path, hasResult }: FoundRun): Promise<Partial<EvaluationFacts>> {
  if (hasResult) {
    const where = join(path, "result.json");
    const result = parseResult(await readTextFile(where, MAX_RESULT_BYTES), where);
    return {
      model: basename(result.model),
      questions: result.questions,
      finished_at: result.finishedAt,
      ...plannedFacts(result.identity),
    };
  }
  const where = join(path, CONFIG_FILE);
  const json = parseStrictJson(await readTextFile(where, MAX_CONFIG_BYTES), where, { maxDepth: 8, maxKeys: 1000 });
  return isJsonObject(json) ? plannedFacts(json.identity) : {};
}

function plannedFacts(identity: unknown): Partial<EvaluationFacts> {
  if (!isJsonObject(identity)) return {};
  const { task, config } = identity;
  const { methods, keeps } = isJsonObject(config) ? config : {};
  return {
    ...(typeof task === "string" ? { task } : {}),
    ...(isListOf(methods, "string") ? { methods } : {}),
    ...(isListOf(keeps, "number") ? { keeps } : {}),
  };
}

function isListOf(value: unknown, type: "string"): value is string[];
function isListOf(value: unknown, type: "number"): value is number[];
function isListOf(value: unknown, type: string): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === type);
}
