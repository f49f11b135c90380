import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tensor } from "../../../src/tensor/tensor.ts";
import { parseTrainConfig } from "../../../src/train/config.ts";
import { loadCheckpoint, type RunIdentity, saveCheckpoint, type TrainingState } from "../../../src/train/checkpoint.ts";
import { readRunConfig, readRunRecord } from "../../../src/train/run-files.ts";
import { randomFromSeed, randomFromState } from "../../../src/util/random.ts";
import { damagedFiles, type Files, filesCase } from "../make/case.ts";
import { treeOf } from "../make/json-tree.ts";
import { mutateSafetensors, safetensorsParts } from "../make/safetensors-parts.ts";
import { mutateJson } from "../make/text.ts";
import { TRAINING_RUN } from "../samples/runs.ts";
import { must, type Target } from "../target.ts";

const identity: RunIdentity = {
  config: parseTrainConfig({ steps: 9 }),
  modelHash: "a".repeat(64),
  dataHash: "b".repeat(64),
};
const MANIFEST = "checkpoint.json";
const STATE = "state.safetensors";

/** A training run's checkpoints: a damaged newer one beside a whole older one, which must be found. */
export const checkpoint: Target = {
  name: "checkpoint",
  share: 10,
  open: async (scratch) => {
    const older = await saved(scratch, 1);
    const newer = await saved(scratch, 2);
    const both = { ...older, ...newer };
    const manifest = treeOf(JSON.parse(Buffer.from(newer[`step-2/${MANIFEST}`] ?? "").toString("utf8")));
    const parts = safetensorsParts(newer[`step-2/${STATE}`] ?? new Uint8Array());
    const make = (files: Files) => filesCase(scratch, files, check);
    return {
      make: (dice) => {
        if (dice.chance(0.5)) return make({ ...both, [`step-2/${MANIFEST}`]: mutateJson(manifest, dice) });
        const state = mutateSafetensors(parts, dice);
        const sum = createHash("sha256").update(state).digest("hex");
        const own = Buffer.from(newer[`step-2/${MANIFEST}`] ?? "")
          .toString("utf8")
          .replace(/"stateSha256": "[0-9a-f]+"/, `"stateSha256": "${sum}"`);
        return make({
          ...both,
          [`step-2/${STATE}`]: state,
          ...(dice.chance(0.8) ? { [`step-2/${MANIFEST}`]: Buffer.from(own) } : {}),
        });
      },
      edges: function* () {
        for (const name of [MANIFEST, STATE])
          for (const files of damagedFiles(both, `step-2/${name}`)) yield make(files);
      },
      close: () => Promise.resolve(),
    };
  },
};

async function check(folder: string): Promise<void> {
  let damaged = 0;
  const state = await loadCheckpoint(folder, identity, () => damaged++);
  must(state !== undefined, "a whole checkpoint was not found");
  must(state.step >= 0 && (damaged === 0 || state.step === 1), `step ${state.step} after ${damaged} damaged ones`);
  const { parameters, moments, cursor } = state;
  must(parameters.size > 0, "a checkpoint without parameters");
  for (const [name, { dims }] of parameters) {
    for (const moment of [moments.first, moments.second])
      must(moment.get(name)?.dims.join() === dims.join(), `moments of ${name}`);
  }
  must(moments.first.size === parameters.size && moments.second.size === parameters.size, "moments of nothing");
  if (cursor !== undefined) randomFromState(cursor.random);
}

async function saved(scratch: string, step: number): Promise<Files> {
  const values = (first: number) =>
    new Map([
      [
        "layers.0.q.lora_A",
        tensor(
          "float32",
          [2, 3],
          Float32Array.from({ length: 6 }, (_, i) => first + i),
        ),
      ],
    ]);
  const cursor = { epoch: 0, position: step, random: randomFromSeed(3).state() };
  const state: TrainingState = {
    step,
    parameters: values(1),
    moments: { first: values(2), second: values(3) },
    cursor,
  };
  await saveCheckpoint(scratch, state, identity);
  const files: Record<string, Uint8Array> = {};
  for (const name of [MANIFEST, STATE])
    files[`step-${step}/${name}`] = await readFile(join(scratch, `step-${step}`, name));
  return files;
}

/** run.json and config.json of a training run. */
export const runFiles: Target = {
  name: "training-run",
  share: 20,
  open: (scratch) => {
    const files: Files = {
      "run.json": Buffer.from(JSON.stringify(TRAINING_RUN)),
      "config.json": Buffer.from(JSON.stringify(identity.config)),
    };
    const trees = { "run.json": treeOf(TRAINING_RUN), "config.json": treeOf(identity.config) };
    const make = (given: Files) =>
      filesCase(scratch, given, async (folder) => {
        must((await readRunRecord(folder)).sessions.length > 0, "a run that was never started");
        must((await readRunConfig(folder)).steps > 0, "a run without steps");
      });
    return Promise.resolve({
      make: (dice) => {
        const name = dice.pick(["run.json", "config.json"] as const);
        return make({ ...files, [name]: mutateJson(trees[name], dice) });
      },
      edges: function* () {
        for (const damaged of damagedFiles(files, "run.json")) yield make(damaged);
      },
      close: () => Promise.resolve(),
    });
  },
};
