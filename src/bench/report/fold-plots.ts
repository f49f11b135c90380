import { formatCount } from "../../util/format.ts";
import { lineChart } from "../../util/svg/line-chart.ts";
import type { TrialResult } from "../run-trial.ts";

export interface Plot {
  readonly file: string;
  readonly svg: string;
}

/** Time and peak memory of compressing fold by fold against the length of the text; nothing for fewer than two lengths. */
export function foldPlots(results: readonly TrialResult[], subtitle: string): Plot[] {
  const points = results.flatMap(({ name, entries: [ours] }) => {
    const [, tokens] = /^fold (\d+)$/.exec(name) ?? [];
    if (tokens === undefined || ours?.seconds == null || ours.peakBytes === null) return [];
    return [{ tokens: Number(tokens), seconds: ours.seconds.median, bytes: ours.peakBytes.median }];
  });
  if (points.length < 2) return [];
  const draw = (
    file: string,
    title: string,
    y: { readonly label: string; readonly unit: string },
    pick: (point: (typeof points)[number]) => number,
  ): Plot => ({
    file,
    svg: lineChart({
      title,
      subtitle,
      x: { label: "length of the text", unit: "tokens", format: formatCount },
      y,
      series: [{ name: "kv-distill", points: points.map((point) => ({ x: point.tokens, y: pick(point) })) }],
    }),
  });
  return [
    draw("fold-time.svg", "Compressing fold by fold: time", { label: "time", unit: "s" }, ({ seconds }) => seconds),
    draw(
      "fold-memory.svg",
      "Compressing fold by fold: peak memory",
      { label: "peak resident memory", unit: "GB" },
      ({ bytes }) => bytes / 1e9,
    ),
  ];
}
