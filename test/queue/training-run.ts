import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect } from "vitest";
import { LATE } from "../../src/distribute/jobs/payload.ts";
import { type Link, withLink } from "../../src/distribute/link.ts";
import type { Crew } from "../../src/distribute/training/crew.ts";
import { dilocoLoop } from "../../src/distribute/training/diloco.ts";
import { openLocalCrew } from "../../src/distribute/training/local-crew.ts";
import { trainByQueue } from "../../src/distribute/training/train-by-queue.ts";
import type { TrainConfig } from "../../src/train/config.ts";
import { runTraining, type TrainingRunOptions } from "../../src/train/run.ts";
import type { TrainingLoop } from "../../src/train/training-loop.ts";
import { createLogger } from "../../src/util/log.ts";
import { readRun, runOptions, tinyConfig, writeTinyData } from "../train/tiny-run.ts";
import { type Setting, TOKEN } from "./setting.ts";

/** Rounds of three parts, two steps each, two rounds. */
export const DILOCO = tinyConfig({
  sync: "diloco",
  parts: 3,
  innerSteps: 2,
  batch: 2,
  microBatch: 2,
  steps: 4,
  deltas: "int8",
});

const QUICK = { pollMilliseconds: 50, retryMilliseconds: 50 };

export interface ByQueue extends Partial<TrainingRunOptions> {
  /** Seconds after which a round ends. */
  readonly deadline?: number;
  /** Is waited for when a round, or a step of its own, has ended. */
  readonly between?: (step: number) => Promise<void>;
}

/** Training runs in folders of a setting. */
export interface TrainingRuns {
  /** A path in the setting's folder. */
  readonly at: (name: string) => string;
  readonly data: () => string;
  readonly linked: <T>(work: (link: Link) => Promise<T>) => Promise<T>;
  readonly byQueue: (out: string, config: TrainConfig, changes?: ByQueue) => Promise<void>;
  /** One process, in the way that the settings say. */
  readonly alone: (out: string, config: TrainConfig, changes?: Partial<TrainingRunOptions>) => Promise<void>;
  /**
   * `diloco` in one process.
   * @param dropped parts that do not count, round by round
   */
  readonly dropping: (out: string, config: TrainConfig, dropped: readonly (readonly number[])[]) => Promise<void>;
  /** What each round's line in metrics.jsonl says of it. */
  readonly rounds: (out: string, step: number) => Promise<RoundLine[]>;
  /** Metrics, parameters, moments and parts at a step: the same byte for byte, and nothing of the round's memory is left. */
  readonly expectSame: (expected: string, out: string, step: number) => Promise<void>;
}

export interface RoundLine {
  readonly parts: readonly number[];
  readonly dropped: readonly { readonly part: number; readonly why: string }[];
}

export function useTraining(setting: Setting): TrainingRuns {
  const at = (name: string): string => join(setting.work(), name);
  let data = "";
  let crews = 0;
  beforeAll(async () => {
    data = await writeTinyData(setting.work());
  });
  const linked: TrainingRuns["linked"] = (work) => {
    const log = createLogger("silent", () => undefined);
    return withLink({ queue: setting.redis().url, token: TOKEN, store: setting.store() }, log, work);
  };
  const options = (out: string, config: TrainConfig, changes: Partial<TrainingRunOptions>): TrainingRunOptions =>
    runOptions(setting.model().files, data, at(out), { config, ...changes });
  const byCrew = async (out: string, config: TrainConfig, loop: (crew: Crew) => TrainingLoop): Promise<void> => {
    const { runtime, files } = setting.model();
    const crew = await openLocalCrew(runtime, files, at(`crew-${crews++}`));
    await runTraining(options(out, config, { loop: loop(crew) })).finally(() => crew.end());
  };
  return {
    at,
    data: () => data,
    linked,
    byQueue: (out, config, { deadline, between, ...changes } = {}) =>
      linked(async (link) => {
        const late = deadline === undefined ? {} : { deadline };
        const { files } = setting.model();
        const inner = trainByQueue({ link, files, threads: 1, out: at(out), title: "test", ...QUICK, ...late });
        const loop: TrainingLoop = (task) =>
          inner({
            ...task,
            onState: async (step, state) => {
              await task.onState(step, state);
              await between?.(step);
            },
          });
        await runTraining(options(out, config, { loop, ...changes }));
      }),
    alone: async (out, config, changes = {}) => {
      if (config.sync === "diloco") await byCrew(out, config, (crew) => dilocoLoop(crew));
      else await runTraining(options(out, config, changes));
    },
    dropping: (out, config, dropped) =>
      byCrew(out, config, (crew) => {
        let rounds = 0;
        return dilocoLoop({
          ...crew,
          round: async (round) => {
            const those = dropped[rounds++] ?? [];
            const outcomes = await crew.round(round);
            return outcomes.map((outcome, part) => (those.includes(part) ? { failure: LATE } : outcome));
          },
        });
      }),
    rounds: async (out, step) => {
      const { metrics } = await readRun(at(out), step);
      return metrics.flatMap(({ round }) => (round === undefined ? [] : [round as RoundLine]));
    },
    expectSame: async (expected, out, step) => {
      const [own, other] = [await readRun(at(expected), step), await readRun(at(out), step)];
      expect(other.metrics).toEqual(own.metrics);
      expect(other.state.equals(own.state)).toBe(true);
      const checkpoint = (run: string): string => join(at(run), "checkpoints", `step-${step}`);
      const names = (await readdir(checkpoint(expected))).filter((name) => name.endsWith(".safetensors"));
      expect((await readdir(checkpoint(out))).filter((name) => name.endsWith(".safetensors"))).toEqual(names);
      for (const name of names) {
        const [x, y] = await Promise.all([expected, out].map((run) => readFile(join(checkpoint(run), name))));
        expect(y?.equals(x ?? Buffer.alloc(0)), name).toBe(true);
      }
      expect(await readdir(at(out))).not.toContain("queue.json");
    },
  };
}
