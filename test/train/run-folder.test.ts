import { createHash } from "node:crypto";
import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { AdapterConfig } from "../../src/cache/adapter.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { loadCheckpoint, type TrainingState } from "../../src/train/checkpoint.ts";
import { newParameters } from "../../src/train/new-parameters.ts";
import { openRunFolder, type RunFolder } from "../../src/train/run-folder.ts";
import type { StepReport } from "../../src/train/trainer.ts";
import { llamaTargets, sampleConfig } from "../cache/sample-adapter.ts";
import { power, PowerCut } from "./power-cut.ts";
import { tempFolder } from "./temp-folder.ts";
import { tinyConfig } from "./tiny-run.ts";

vi.mock("node:fs/promises", async (original) => {
  const { onPower } = await import("./power-cut.ts");
  return onPower(await original());
});
vi.setConfig({ testTimeout: 600_000 });

const folder = tempFolder();
const STEPS = 4;
const EVERY = 2;
// Few arrays, so that there are few writes to be cut off at.
const adapter: AdapterConfig = {
  ...sampleConfig,
  targets: { ...llamaTargets, numLayers: 1, modules: llamaTargets.modules.slice(0, 1) },
};
const config = tinyConfig({ steps: STEPS });

// Half-written files of a process that is gone are cleared away; those of a live one are not.
const pid = process.pid;
beforeAll(() => {
  Object.defineProperty(process, "pid", { value: 2 ** 22 + 1 });
});
afterAll(() => {
  Object.defineProperty(process, "pid", { value: pid });
});

const report = (step: number): StepReport => ({
  step,
  epoch: 0,
  loss: 1 / step,
  forwardKl: 2 / step,
  reverseKl: 3 / step,
  scorerDistance: 0,
  keep: 0.5,
  gradientNorm: 1,
  learningRate: 1e-3,
  tokens: 10,
  seconds: 1,
  residentBytes: 1,
});

/** Where a run stands after so many steps: every value tells the step. */
function stateAt(step: number): TrainingState {
  const filled = (value: number): Map<string, Tensor<"float32">> =>
    new Map(
      [...newParameters(adapter, 0)].map(([name, { dims, data }]) => [
        name,
        tensor(
          "float32",
          dims,
          data.map(() => value),
        ),
      ]),
    );
  const cursor = { epoch: 0, position: step, random: randomFromSeed(1).state() };
  return {
    step,
    parameters: filled(step + 1),
    moments: { first: filled(step + 0.25), second: filled(step + 0.5) },
    ...(step === 0 ? {} : { cursor }),
  };
}

const unexpected = (line: string): void => {
  throw new Error(line);
};

interface Life {
  /** The step it began at. */
  readonly from: number;
  /** Steps whose checkpoint was written to the end. */
  readonly saved: readonly number[];
  readonly changes: number;
}

/** A process that trains what is left to train, until the power goes. */
async function live(out: string, cutAt?: number, onNote = unexpected): Promise<Life> {
  const saved: number[] = [];
  let from = -1;
  let run: RunFolder | undefined;
  power.restore(cutAt);
  try {
    run = await openRunFolder({
      out,
      identity: { config, modelHash: "model", dataHash: "data" },
      adapter,
      facts: {
        model: { name: "tiny", hash: "model" },
        data: { files: ["data.jsonl"], examples: 1, hash: "data" },
        session: { threads: 1, command: [] },
      },
      firstState: () => Promise.resolve(stateAt(0)),
      onNote,
    });
    from = run.state.step;
    expect(run.state).toEqual(stateAt(from));
    saved.push(from);
    for (let step = from + 1; step <= STEPS; step++) {
      await run.append(report(step));
      if (step % EVERY === 0) {
        await run.save(stateAt(step));
        saved.push(step);
      }
    }
    await run.save(stateAt(STEPS));
    expect(run.points.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  } catch (error) {
    if (!causes(error).some((cause) => cause instanceof PowerCut)) throw error;
  } finally {
    await run?.close();
  }
  const { changes } = power;
  power.restore();
  return { from, saved, changes };
}

const causes = (error: unknown): unknown[] => (error instanceof Error ? [error, ...causes(error.cause)] : []);

/** Every file of a run but its record, which tells the time. */
async function contents(out: string): Promise<Record<string, string>> {
  const names = await readdir(out, { recursive: true, withFileTypes: true });
  const paths = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = paths
    .filter((path) => !path.endsWith("run.json"))
    .sort()
    .map(
      async (path) =>
        [
          path.slice(out.length),
          createHash("sha256")
            .update(await readFile(path))
            .digest("hex"),
        ] as const,
    );
  return Object.fromEntries(await Promise.all(read));
}

test("whatever change the power goes at, the run goes on from a complete checkpoint and ends as the straight run", async () => {
  const straight = join(folder, "straight");
  const { changes, saved } = await live(straight);
  expect(saved).toEqual([0, 2, 4]);
  expect(changes).toBeGreaterThan(60);
  const wanted = await contents(straight);
  expect(Object.keys(wanted)).toContain("/checkpoints/step-2/state.safetensors");

  for (let cutAt = 1; cutAt <= changes; cutAt++) {
    const out = join(folder, `cut-${cutAt}`);
    const first = await live(out, cutAt);
    expect(first.changes, `cut at ${cutAt}`).toBeGreaterThanOrEqual(cutAt);
    const second = await live(out);
    expect(second.from, `cut at ${cutAt}`).toBeGreaterThanOrEqual(first.saved.at(-1) ?? 0);
    expect(await contents(out), `cut at ${cutAt}`).toEqual(wanted);
    await rm(out, { recursive: true });
  }
});

test("the power goes again and again", async () => {
  const wanted = await contents(join(folder, "straight"));
  const random = randomFromSeed(5);
  for (let round = 0; round < 10; round++) {
    const out = join(folder, `again-${round}`);
    for (let life = 0; life < 6; life++) await live(out, 1 + random.integer(80));
    await live(out);
    expect(await contents(out), `round ${round}`).toEqual(wanted);
  }
});

test("a damaged checkpoint is passed over and set aside; new ones take its place", async () => {
  const out = join(folder, "damaged");
  await live(out);
  const wanted = await contents(out);
  await truncate(join(out, "checkpoints", "step-4", "state.safetensors"), 100);
  const notes: string[] = [];
  const { from, saved } = await live(out, undefined, (line) => notes.push(line));
  expect({ from, saved }).toEqual({ from: 2, saved: [2, 4] });
  expect(notes).toEqual([expect.stringContaining("damaged")]);
  const { "/checkpoints/damaged-step-4/state.safetensors": damaged, ...rest } = await contents(out);
  expect(damaged).toBeDefined();
  expect(rest).toMatchObject(wanted);

  for (const step of [2, 4]) await writeFile(join(out, "checkpoints", `step-${step}`, "checkpoint.json"), "{");
  await expect(live(out, undefined, (line) => notes.push(line))).rejects.toMatchObject({
    code: "bad-file",
    message: expect.stringContaining("every checkpoint is damaged") as string,
  });
});

test("another configuration, model or data is refused with everything that differs, and nothing changes", async () => {
  const out = join(folder, "straight");
  const before = await contents(out);
  const identity = { config: { ...config, rank: 9, lambda: 0.5 }, modelHash: "other", dataHash: "data" };
  const refused = await loadCheckpoint(join(out, "checkpoints"), identity, ({ message }) => {
    unexpected(message);
  }).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: "model-mismatch",
    facts: {
      faults: ["rank: 2 in the run, 9 now", "lambda: 0.6 in the run, 0.5 now", "model: model in the run, other now"],
    },
  });
  expect(await contents(out)).toEqual(before);
});
