import { formatCount, formatDuration, formatPercent, formatRate } from "./format.ts";
import { printable } from "./printable.ts";
import { columnsOf, cutLine } from "./text-width.ts";

/** All that a line about progress shows. */
export interface ProgressState {
  /** What is counted: `steps`, `questions`, `bytes`. */
  readonly unit: string;
  readonly done: number;
  /** Undefined when nobody knows how much there is. */
  readonly total: number | undefined;
  readonly perSecond: number | undefined;
  readonly elapsedSeconds: number;
  /** Free-form, in order: `loss` → `1.234`. */
  readonly fields: ReadonlyMap<string, string>;
  /** How a count of `unit` is written; by default with thousands separated. */
  readonly format?: (count: number) => string;
}

const WIDEST_BAR = 30;
const NARROWEST_BAR = 10;

/**
 * One line of at most `columns`: bar, percentage, count, time left, rate, fields. Where room is short the bar shrinks
 * first, then facts are left out from the end.
 */
export function liveProgressLine(state: ProgressState, columns: number): string {
  const facts = [count(state), ...timeLeft(state), ...rate(state), ...fieldTexts(state)];
  if (state.total === undefined) return cutLine(joinFitting("", facts, columns), columns);
  const part = state.total === 0 ? 1 : Math.min(1, state.done / state.total);
  const percent = `${formatPercent(Math.floor(part * 100) / 100).padStart(4)} `;
  const text = joinFitting(percent, facts, columns - NARROWEST_BAR - 1);
  const room = Math.min(WIDEST_BAR, columns - columnsOf(text) - 1);
  if (room < NARROWEST_BAR) return cutLine(text, columns);
  const filled = Math.floor(part * room);
  return `${"█".repeat(filled)}${"░".repeat(room - filled)} ${text}`;
}

/** The same without a bar and with the time taken, for logs and for the last line. */
export function plainProgressLine(state: ProgressState): string {
  const elapsed = `after ${formatDuration(state.elapsedSeconds)}`;
  return [count(state), elapsed, ...timeLeft(state), ...rate(state), ...fieldTexts(state)].join(" · ");
}

/**
 * Seconds until everything is done at the present rate; undefined when the total or the rate is not known, or nothing
 * is left.
 */
export function secondsLeft(state: ProgressState): number | undefined {
  if (state.total === undefined || state.perSecond === undefined || state.perSecond <= 0) return undefined;
  return state.done >= state.total ? undefined : (state.total - state.done) / state.perSecond;
}

/** As many of the facts, from the first, as fit whole; the first one always. */
function joinFitting(start: string, facts: readonly string[], columns: number): string {
  let line = "";
  for (const fact of facts) {
    const longer = line === "" ? `${start}${fact}` : `${line} · ${fact}`;
    if (line !== "" && columnsOf(longer) > columns) break;
    line = longer;
  }
  return line;
}

function count(state: ProgressState): string {
  const format = state.format ?? ((value: number) => `${formatCount(value)} ${state.unit}`);
  if (state.total === undefined) return format(state.done);
  return state.format === undefined
    ? `${formatCount(state.done)}/${format(state.total)}`
    : `${format(state.done)} of ${format(state.total)}`;
}

function rate(state: ProgressState): string[] {
  if (state.perSecond === undefined) return [];
  return [state.format === undefined ? formatRate(state.perSecond, state.unit) : `${state.format(state.perSecond)}/s`];
}

function timeLeft(state: ProgressState): string[] {
  const seconds = secondsLeft(state);
  return seconds === undefined ? [] : [`${formatDuration(seconds)} left`];
}

function fieldTexts(state: ProgressState): string[] {
  return [...state.fields].map(([name, value]) => printable(`${name} ${value}`).replaceAll(/\s+/g, " "));
}
