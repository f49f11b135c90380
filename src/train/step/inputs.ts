import type { ModelConfig } from "../../models/config.ts";
import { readingReach } from "../../models/reading-bias.ts";
import { rotaryTables } from "../../models/rotary.ts";
import { pickFeeds, residentOf } from "../../runtime/feeding.ts";
import type { Feeds, Resident } from "../../runtime/runtime.ts";
import { ints } from "../../tensor/tensor.ts";
import { contextBias, type TrainingBatch } from "../batch.ts";
import type { StepEngine, StepSettings } from "./engine.ts";
import type { FoldLayout } from "./fold-layout.ts";

/** Feeds that every layer shares, uploaded once. */
export interface StepInputs {
  readonly contextX: Resident;
  readonly readerX: Resident;
  /** Rotary tables, causal bias and reach of the contexts. */
  readonly context: Readonly<Record<string, Resident>>;
  /** What is encoded with adapters, fold by fold: the contexts themselves where each is one fold. */
  readonly encoded: { readonly x: Resident; readonly feeds: Readonly<Record<string, Resident>> };
  /** Rotary tables of the readers. */
  readonly reader: Readonly<Record<string, Resident>>;
  release(): void;
}

export async function prepareInputs(
  { runtime, config, programs, weights, settings }: StepEngine,
  batch: TrainingBatch,
  layout: FoldLayout,
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
  const causal = (rows: number, width: number, positions: readonly number[]): Promise<Record<string, Resident>> =>
    upload({
      ...rotaryFeeds(config, rows, positions),
      bias: contextBias(width),
      ...readingReach(
        Array.from({ length: rows }, () => ({ used: 0, count: width })),
        width,
      ),
    });
  const context = await causal(batch.batch, batch.contextWidth, batch.contextPositions);
  const foldedRows = async (): Promise<StepInputs["encoded"]> => {
    const { ids, positions } = foldTokensOf(batch, layout, settings);
    return { x: await embed(ids, positions), feeds: await causal(layout.folds.length, layout.width, positions) };
  };
  const encoded = layout.isWhole ? { x: contextX, feeds: context } : await foldedRows();
  const reader = await upload(rotaryFeeds(config, batch.batch, batch.readerPositions));
  return {
    contextX,
    readerX,
    context,
    encoded,
    reader,
    release: () => {
      const own = [contextX, encoded.x, readerX, ...[context, encoded.feeds, reader].flatMap(Object.values<Resident>)];
      for (const resident of new Set(own)) resident.release();
    },
  };
}

/** Tokens and positions of the folds, [E · F], padded as contexts are. */
function foldTokensOf(
  { contextIds, contextWidth }: TrainingBatch,
  { folds, width }: FoldLayout,
  { foldPositions }: Pick<StepSettings, "foldPositions">,
): { readonly ids: number[]; readonly positions: number[] } {
  const ids: number[] = [];
  const positions: number[] = [];
  for (const { passage, start, end } of folds) {
    const first = foldPositions === "fold" ? 0 : start;
    for (let position = start; position < start + width; position++) {
      ids.push(position < end ? (contextIds[passage * contextWidth + position] ?? 0) : 0);
      // Padding stands where there is always a position.
      positions.push(position < end ? first + position - start : first);
    }
  }
  return { ids, positions };
}

/** Tables with one row a token, where the model has them, and the rows that name them, whose shape tells every graph its sizes. */
function rotaryFeeds(config: ModelConfig, batch: number, positions: readonly number[]): Feeds {
  const rows = positions.map((_, row) => row);
  return {
    ...(config.positions === "rotary" ? rotaryTables(config, positions) : {}),
    rotaryRows: ints([batch, positions.length / batch], rows),
  };
}
