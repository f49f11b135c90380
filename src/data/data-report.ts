import { formatCount } from "../util/format.ts";
import type { LeftOut } from "./examples.ts";
import { placeText, type RowFault } from "./passage.ts";
import { type SourceNotes, UNUSED_REASONS } from "./sources/source.ts";

/** Counts what was read and what was left out, so that nothing disappears in silence. */
export interface DataReport extends SourceNotes {
  readonly onLeftOut: (leftOut: LeftOut) => void;
  readonly onClosedEarly: (passages: number) => void;
  /** Good rows that are left out on purpose; `example` names one of them. */
  readonly onRemoved: (reason: RemovedReason, rows?: number, example?: string) => void;
  /** How many rows, passages and questions were left out, by reason, in the order in which reasons first came up. */
  counts(): Readonly<Record<string, number>>;
  /** One line for each reason with its count, then a few of those left out, named; empty when nothing was. */
  lines(): string[];
}

const SHOWN = 3;

const REASONS: Readonly<Record<LeftOut["reason"], string>> = {
  "context-too-short": "passages left out, their context being too short",
  "context-too-long": "passages left out, their context being too long",
  "question-too-long": "questions left out, being too long",
  "answer-too-long": "questions left out, their answer being too long",
};

/** Why a good row is left out, with the words for it. */
const REMOVED_REASONS = {
  duplicate: "rows left out, an earlier row being the same",
  contaminated: "rows left out, sharing text with an evaluation file",
  "not-sampled": "rows left out, not drawn into the sample",
  "empty-answer": "questions left out, the model's answer being empty",
  "no-question": "questions left out, the model having asked none, or the same again",
} as const;
export type RemovedReason = keyof typeof REMOVED_REASONS;

/** An empty report. Hand its `on…` members to the readers. */
export function createDataReport(): DataReport {
  const reasons = new Map<string, { count: number; title: string; shown: string[] }>();

  function add(reason: string, title: string, amount: number, example?: string): void {
    const entry = reasons.get(reason) ?? { count: 0, title, shown: [] };
    entry.count += amount;
    if (example !== undefined && entry.shown.length < SHOWN) entry.shown.push(example);
    reasons.set(reason, entry);
  }

  function entryLines({ count, title, shown }: { count: number; title: string; shown: string[] }): string[] {
    const more = shown.length > 0 && count > shown.length ? [`  … and ${formatCount(count - shown.length)} more`] : [];
    return [`${title}: ${formatCount(count)}`, ...shown.map((example) => `  ${example}`), ...more];
  }

  return {
    onFault: (fault) => {
      add("malformed-row", "malformed rows left out", 1, faultText(fault));
    },
    onUnused: ({ reason, ...place }) => {
      add(reason, UNUSED_REASONS[reason], 1, placeText(place));
    },
    onDamaged: (fault) => {
      add("damaged-file", "files that were read in part or not at all", 1, faultText(fault));
    },
    onLeftOut: ({ reason, id, tokens, limit }) => {
      add(reason, REASONS[reason], 1, `${id}: ${formatCount(tokens)} tokens, limit ${formatCount(limit)}`);
    },
    onClosedEarly: (passages) => {
      add(
        "closed-early",
        "passages closed before the end of the data, so that later rows of theirs stand apart",
        passages,
      );
    },
    onRemoved: (reason, rows = 1, example) => {
      if (rows > 0) add(reason, REMOVED_REASONS[reason], rows, example);
    },
    counts: () => Object.fromEntries([...reasons].map(([reason, { count }]) => [reason, count])),
    lines: () => [...reasons.values()].flatMap(entryLines),
  };
}

function faultText(fault: RowFault): string {
  return `${placeText(fault)}: ${fault.fault}`;
}
