import { keptCount } from "../../compress/kept-count.ts";
import type { ModelConfig } from "../../models/config.ts";
import { readingReach } from "../../models/reading-bias.ts";
import { rotaryTables } from "../../models/rotary.ts";
import { pickFeeds, residentOf } from "../../runtime/feeding.ts";
import type { Feeds, Resident } from "../../runtime/runtime.ts";
import { ints } from "../../tensor/tensor.ts";
import { contextBias, type TrainingBatch } from "../batch.ts";
import type { StepEngine, StepSettings } from "./engine.ts";
import type { FoldLayout } from "./fold-layout.ts";

/** Embedded tokens and rotary tables of the readers. */
export interface ReaderInputs {
  readonly x: Resident;
  readonly feeds: Readonly<Record<string, Resident>>;
}

/** Feeds that every layer shares, uploaded once. */
export interface StepInputs {
  readonly contextX: Resident;
  /** Rotary tables, causal bias and reach of the contexts. */
  readonly context: Readonly<Record<string, Resident>>;
  /** What is encoded with adapters, fold by fold: the contexts themselves where each is one fold. */
  readonly encoded: { readonly x: Resident; readonly feeds: Readonly<Record<string, Resident>> };
  /** The readers after the full contexts, and after the kept rows: the same where reading goes on after the context. */
  readonly teacherReader: ReaderInputs;
  readonly studentReader: ReaderInputs;
  release(): void;
}

export async function prepareInputs(
  { runtime, config, programs, weights, settings }: StepEngine,
  batch: TrainingBatch,
  layout: FoldLayout,
  keep: readonly number[],
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
  const readersAt = async (positions: readonly number[]): Promise<ReaderInputs> => ({
    x: await embed(batch.readerIds, positions),
    feeds: await upload(rotaryFeeds(config, batch.batch, positions)),
  });
  const teacherReader = await readersAt(batch.readerPositions);
  const studentReader =
    settings.readPositions === "context" ? teacherReader : await readersAt(positionsAfterKept(batch, keep, settings));
  return {
    contextX,
    context,
    encoded,
    teacherReader,
    studentReader,
    release: () => {
      const readers = [teacherReader, studentReader];
      const feeds = [context, encoded.feeds, ...readers.map((reader) => reader.feeds)];
      const own = [contextX, encoded.x, ...readers.map(({ x }) => x), ...feeds.flatMap(Object.values<Resident>)];
      for (const resident of new Set(own)) resident.release();
    },
  };
}

/** [B · R]: positions of the readers where each passage goes on at the number of its kept rows. */
function positionsAfterKept(
  { contextLengths, readerWidth, readerPositions }: TrainingBatch,
  keep: readonly number[],
  { sinks }: Pick<StepSettings, "sinks">,
): number[] {
  const left = contextLengths.map((length, b) => length - keptCount(length, keep[b] ?? 1, sinks));
  return readerPositions.map((position, i) => position - (left[Math.floor(i / readerWidth)] ?? 0));
}

/** Tokens and positions of the folds, [E · F], padded as contexts are. */
function foldTokensOf(
  { contextIds, contextWidth }: TrainingBatch,
  { folds, width }: FoldLayout,
  { foldPositions }: Pick<StepSettings, "foldPositions">,
): { readonly ids: number[]; readonly positions: number[] } {
  const ids: number[] = [];
  const positions: number[] = [];
  for (const { passage, start, end, lead } of folds) {
    const at = passage * contextWidth;
    const own = [...contextIds.slice(at, at + lead), ...contextIds.slice(at + start, at + end)];
    const first = foldPositions === "fold" ? 0 : start - lead;
    for (let i = 0; i < width; i++) {
      ids.push(own[i] ?? 0);
      // Padding stands where there is always a position.
      positions.push(i < own.length ? first + i : first);
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
