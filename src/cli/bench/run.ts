import { availableParallelism } from "node:os";
import type { BenchOptions } from "../../bench/run-bench.ts";
import { PEER_NAMES } from "../../bench/sides/peers.ts";
import { TARGET_NAMES, type TargetName } from "../../bench/targets/index.ts";
import type { Device } from "../../runtime/options.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import { resolveModel } from "../../models/loading/resolve.ts";
import { LOG_LEVELS } from "../../util/log.ts";
import { printable } from "../../util/printable.ts";
import { type Progress, startProgress } from "../../util/progress.ts";
import type { CommandContext } from "../context.ts";
import { type GivenBenchOptions, repetitionsOf, sizesOf } from "./options.ts";

/** What other devices than the processor cannot do: they compute in float32 alone. */
export const PROCESSOR_ALONE: readonly TargetName[] = ["precision"];

/** `all` that the device can do, or one target. */
const targetsOf = (given: string, device: Device): readonly TargetName[] =>
  TARGET_NAMES.filter((name) =>
    given === "all" ? device === "cpu" || !PROCESSOR_ALONE.includes(name) : name === given,
  );

/** What the bench is to do, as it was asked for. */
export async function askedBench(
  target: string,
  given: GivenBenchOptions,
  files: ModelFiles,
  { log, signal }: CommandContext,
): Promise<BenchOptions> {
  const place = await resolveModel(given.model);
  return {
    files,
    gguf: place.kind === "gguf" ? place.path : null,
    targets: targetsOf(target, given.device),
    sizes: sizesOf(given),
    peers: given.peers ?? PEER_NAMES,
    warmups: given.warmups,
    repetitions: repetitionsOf(given),
    device: given.device,
    threads: given.threads ?? availableParallelism(),
    precision: given.precision,
    reference: given.reference ?? process.env.KV_DISTILL_REFERENCE ?? null,
    adapter: given.adapter ?? null,
    data: given.data ?? null,
    timeout: given.timeout,
    signal,
    onNote: (line) => {
      log.info(line);
    },
    onStderr: (side, line) => {
      log.debug(() => `${side}: ${printable(line)}`);
    },
  };
}

/** Runs `work` with a line that says what is being measured, unless the log level is below `info`. */
export async function withTurns<T>(
  { log }: CommandContext,
  work: (onTurn: NonNullable<BenchOptions["onTurn"]>) => Promise<T>,
): Promise<T> {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info");
  let progress: Progress | undefined;
  let turns = 0;
  try {
    return await work((trial, side) => {
      if (quiet) return;
      turns++;
      // It begins with the first turn's end, so that turn is none of its rate's.
      progress ??= startProgress({ label: "bench", unit: "turns", done: turns });
      progress.update(turns, { last: `${trial}, ${side}` });
    });
  } finally {
    progress?.stop();
  }
}
