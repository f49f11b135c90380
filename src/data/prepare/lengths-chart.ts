import { formatCount } from "../../util/format.ts";
import type { ChartPoint } from "../../util/svg/chart.ts";
import { lineChart } from "../../util/svg/line-chart.ts";
import type { PassageExample } from "../examples.ts";

const PARTS = ["contexts", "questions", "answers"] as const;
type Part = (typeof PARTS)[number];

/** How many contexts, questions and answers have which length, in tokens. */
export interface LengthCounts {
  readonly counts: Readonly<Record<Part, ReadonlyMap<number, number>>>;
  /** Counts an example; reconstructions are not counted. */
  add(example: PassageExample): void;
}

export function createLengthCounts(): LengthCounts {
  const counts = {
    contexts: new Map<number, number>(),
    questions: new Map<number, number>(),
    answers: new Map<number, number>(),
  };
  const note = (part: Part, { length }: readonly number[]): void => {
    counts[part].set(length, (counts[part].get(length) ?? 0) + 1);
  };
  return {
    counts,
    add: ({ contextIds, turns }) => {
      note("contexts", contextIds);
      for (const { kind, questionIds, answerIds } of turns) {
        if (kind !== "question") continue;
        note("questions", questionIds);
        note("answers", answerIds);
      }
    },
  };
}

/** Count, median and extremes of some lengths; undefined for none. */
export function summariseLengths(
  lengths: ReadonlyMap<number, number>,
): { readonly count: number; readonly least: number; readonly median: number; readonly most: number } | undefined {
  const sorted = [...lengths].sort(([a], [b]) => a - b);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const count = sorted.reduce((sum, [, own]) => sum + own, 0);
  let passed = 0;
  const [median] = sorted.find(([, own]) => (passed += own) * 2 >= count) ?? first;
  return { count, least: first[0], median, most: last[0] };
}

/** The histogram of all lengths as SVG: for each part the share of it that falls into each bin. */
export function lengthsChart({ counts }: LengthCounts, data: string, model: string): string {
  const most = Math.max(...PARTS.map((part) => summariseLengths(counts[part])?.most ?? 1));
  const edges = binEdges(most);
  const series = PARTS.flatMap((part) => {
    const summary = summariseLengths(counts[part]);
    if (summary === undefined) return [];
    const { count, median } = summary;
    return [
      {
        name: `${part} (${formatCount(count)}, median ${formatCount(median)})`,
        points: steps(counts[part], edges, count),
      },
    ];
  });
  return lineChart({
    title: "Lengths in tokens",
    subtitle: `${data}; tokenizer of ${model}`,
    x: {
      label: "length",
      unit: "tokens",
      scale: "log",
      domain: [edges[0] ?? 1, edges.at(-1) ?? 2],
      ticks: powersOfTwo(edges.at(-1) ?? 2),
    },
    y: { label: "share in a bin", unit: "%" },
    series,
  });
}

/** 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20 …: three bins for each doubling, as wide as each other on the axis but for whole numbers of tokens. */
function binEdges(most: number): number[] {
  const edges = [1];
  for (let third = 1, last = 1; last <= most; third++) {
    const edge = Math.round(2 ** (third / 3));
    if (edge > last) edges.push((last = edge));
  }
  return edges;
}

/** The outline of the bins, filled down to zero. */
function steps(lengths: ReadonlyMap<number, number>, edges: readonly number[], count: number): ChartPoint[] {
  const shares = new Array<number>(edges.length - 1).fill(0);
  for (const [length, own] of lengths) {
    const bin = edges.findLastIndex((edge) => edge <= length);
    shares[bin] = (shares[bin] ?? 0) + (100 * own) / count;
  }
  return shares.flatMap((share, bin) => {
    const [from = 1, to = 2] = edges.slice(bin, bin + 2);
    return [from, to].map((x) => ({ x, y: share, low: 0, high: share }));
  });
}

function powersOfTwo(most: number): number[] {
  return Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
}
