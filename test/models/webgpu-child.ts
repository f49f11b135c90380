// Runs tiny models on the CPU and on WebGPU. Prints as JSON, by model, the largest difference of everything that inference computes and the
// programs that were loaded for it; stderr gets ONNX Runtime's verbose log of every WebGPU session, opened once more.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { LanguageModel } from "../../src/models/language-model.ts";
import { loadModel } from "../../src/models/load-model.ts";
import type { OnnxProgram } from "../../src/runtime/runtime.ts";
import { sessionOptions } from "../../src/runtime/session-options.ts";
import { tinyModel } from "./tiny-models.ts";
import { everyInferenceGraph, type Results } from "./webgpu-scenario.ts";

const MODELS = ["llama", "qwen3", "gpt2"];

async function resultsOnCpu(path: string): Promise<Results> {
  const model = await loadModel(path, { threads: 1 });
  const results = await everyInferenceGraph(model);
  await model.close();
  return results;
}

async function resultsOnWebgpu(path: string): Promise<{ results: Results; programs: OnnxProgram[] }> {
  const { files, runtime } = await loadModel(path, { device: "webgpu", threads: 1 });
  const programs: OnnxProgram[] = [];
  const noting = new LanguageModel(files, {
    ...runtime,
    load: (program) => {
      programs.push(program);
      return runtime.load(program);
    },
  });
  const results = await everyInferenceGraph(noting);
  await runtime.close();
  return { results, programs };
}

/** Opens a session as the runtime does, but for the log. */
async function logPlacements({ bytes, name = "program", weightsFolder, prepack = false }: OnnxProgram): Promise<void> {
  const options = sessionOptions({ device: "webgpu", threads: 1 }, { programId: 0, name, weightsFolder, prepack });
  await (await InferenceSession.create(bytes, { ...options, logSeverityLevel: 0, logVerbosityLevel: 1 })).release();
}

/** Largest difference, as a part of the largest magnitude. */
function distance(got: ArrayLike<number> | undefined, wanted: ArrayLike<number>): number {
  if (got?.length !== wanted.length) return Infinity;
  let [apart, largest] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const here = Math.abs(Number(wanted[i]) - Number(got[i]));
    // A NaN must not pass as a small difference; JSON would make null of it.
    apart = here <= apart ? apart : Number.isNaN(here) ? Infinity : here;
    largest = Math.max(largest, Math.abs(Number(wanted[i])));
  }
  return apart / largest;
}

const home = await mkdtemp(join(tmpdir(), "kv-distill-webgpu-"));
process.env.KV_DISTILL_HOME = home;
const printed: Record<string, unknown> = {};
for (const name of MODELS) {
  const wanted = await resultsOnCpu(tinyModel(name));
  const { results, programs } = await resultsOnWebgpu(tinyModel(name));
  const differences = Object.entries(wanted).map(([what, values]) => [what, distance(results[what], values)] as const);
  printed[name] = {
    differences: Object.fromEntries<number>(differences),
    programs: programs.map((program) => program.name),
  };
  for (const program of programs) await logPlacements(program);
}
await rm(home, { recursive: true });
process.stdout.write(JSON.stringify(printed));
