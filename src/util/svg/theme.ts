interface Theme {
  readonly background: string;
  readonly text: string;
  readonly quiet: string;
  readonly grid: string;
  readonly series: readonly string[];
}

// Both rows keep their order of hue, so that a chart's words ("the blue line") hold in light and dark. Chosen to stay
// apart for the common kinds of colour blindness; dashes and mark shapes tell lines apart as well.
const LIGHT: Theme = {
  background: "#ffffff",
  text: "#1f2328",
  quiet: "#59636e",
  grid: "#e3e6ea",
  series: ["#0067b1", "#c8500a", "#00805c", "#a8478f", "#946200", "#2a9bc4", "#6b6b6b", "#b3262e"],
};
const DARK: Theme = {
  background: "#0d1117",
  text: "#e6edf3",
  quiet: "#9da7b1",
  grid: "#2a313a",
  series: ["#5ab0ff", "#ff9452", "#3ecf9f", "#e89ad3", "#e3b341", "#8adcff", "#b8b8b8", "#ff7b81"],
};

const FONTS = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif";

/** Number of distinct series colours. */
export const SERIES_COLOURS = LIGHT.series.length;

/** The style sheet of every chart: light by default, dark where the viewer prefers it. No script, no font, no link. */
export function chartStyle(): string {
  const base = `.kvc text{font-family:${FONTS};font-size:12px}.kvc .title{font-size:16px;font-weight:600}`;
  return `${base}${rules(LIGHT)}@media (prefers-color-scheme:dark){${rules(DARK)}}`;
}

function rules(theme: Theme): string {
  const series = theme.series.map(
    (colour, index) => `.kvc .line${index}{stroke:${colour};fill:none}.kvc .area${index}{fill:${colour};stroke:none}`,
  );
  return [
    `.kvc .background{fill:${theme.background}}`,
    `.kvc text{fill:${theme.text}}`,
    `.kvc .quiet{fill:${theme.quiet}}`,
    `.kvc .grid{stroke:${theme.grid};fill:none}`,
    `.kvc .axis{stroke:${theme.quiet};fill:none}`,
    ...series,
  ].join("");
}
