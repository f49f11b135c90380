import type { ModelConfig } from "../../models/config.ts";
import { readingReach } from "../../models/reading-bias.ts";
import { rotaryTables } from "../../models/rotary.ts";
import { pickFeeds, residentOf } from "../../runtime/feeding.ts";
import type { Feeds, Resident } from "../../runtime/runtime.ts";
import { ints } from "../../tensor/tensor.ts";
import { contextBias, type TrainingBatch } from "../batch.ts";
import type { StepEngine } from "./engine.ts";

/** Feeds that every layer shares, uploaded once. */
export interface StepInputs {
  readonly contextX: Resident;
  readonly readerX: Resident;
  /** Rotary tables, causal bias and reach of the contexts. */
  readonly context: Readonly<Record<string, Resident>>;
  /** Rotary tables of the readers. */
  readonly reader: Readonly<Record<string, Resident>>;
  release(): void;
}

export async function prepareInputs(
  { runtime, config, programs, weights }: StepEngine,
  batch: TrainingBatch,
): Promise<StepInputs> {
  const embed = async (ids: readonly number[], positions: readonly number[]): Promise<Resident> => {
    const feeds = { ids: ints([ids.length], ids), positions: ints([ids.length], positions) };
    const { residents } = await programs.embed.runKeeping(pickFeeds(programs.embed, weights.shared, feeds), ["x"]);
    return residentOf(residents, "x");
  };
  const upload = async (feeds: Feeds): Promise<Record<string, Resident>> =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(feeds).map(
          async ([name, feed]) => [name, "data" in feed ? await runtime.upload(feed) : feed] as const,
        ),
      ),
    );
  const contextX = await embed(batch.contextIds, batch.contextPositions);
  const readerX = await embed(batch.readerIds, batch.readerPositions);
  const context = await upload({
    ...rotaryFeeds(config, batch.batch, batch.contextPositions),
    bias: contextBias(batch.contextWidth),
    ...readingReach(
      Array.from({ length: batch.batch }, () => ({ used: 0, count: batch.contextWidth })),
      batch.contextWidth,
    ),
  });
  const reader = await upload(rotaryFeeds(config, batch.batch, batch.readerPositions));
  return {
    contextX,
    readerX,
    context,
    reader,
    release: () => {
      for (const resident of [contextX, readerX, ...Object.values(context), ...Object.values(reader)])
        resident.release();
    },
  };
}

/** Tables with one row a token, where the model has them, and the rows that name them, whose shape tells every graph its sizes. */
function rotaryFeeds(config: ModelConfig, batch: number, positions: readonly number[]): Feeds {
  const rows = positions.map((_, row) => row);
  return {
    ...(config.family === "llama" ? rotaryTables(config, positions) : {}),
    rotaryRows: ints([batch, positions.length / batch], rows),
  };
}
