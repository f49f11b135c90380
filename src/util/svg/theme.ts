interface Theme {
  readonly background: string;
  readonly text: string;
  readonly quiet: string;
  readonly grid: string;
  readonly series: readonly string[];
  /** From nothing to all: one hue, even steps of lightness, so that it reads in grey as well. */
  readonly heat: readonly string[];
  /** Text on the upper half of `heat`. */
  readonly onHeat: string;
}

// Both rows keep their order of hue, so that a chart's words ("the blue line") hold in light and dark. Chosen to stay
// apart for the common kinds of colour blindness; dashes and mark shapes tell lines apart as well.
const LIGHT: Theme = {
  background: "#ffffff",
  text: "#1f2328",
  quiet: "#59636e",
  grid: "#e3e6ea",
  series: ["#0067b1", "#c8500a", "#00805c", "#a8478f", "#946200", "#2a9bc4", "#6b6b6b", "#b3262e"],
  heat: ["#eef4fa", "#d4e1ec", "#bbcddf", "#a1bad1", "#88a7c3", "#6e93b6", "#5580a8", "#3b6d9a", "#22598d", "#08467f"],
  onHeat: "#ffffff",
};
const DARK: Theme = {
  background: "#0d1117",
  text: "#e6edf3",
  quiet: "#9da7b1",
  grid: "#2a313a",
  series: ["#5ab0ff", "#ff9452", "#3ecf9f", "#e89ad3", "#e3b341", "#8adcff", "#b8b8b8", "#ff7b81"],
  heat: ["#172331", "#273748", "#374b5f", "#475f76", "#57738d", "#6686a3", "#769aba", "#86aed1", "#96c2e8", "#a6d6ff"],
  onHeat: "#0d1117",
};

const FONTS = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif";

/** Number of distinct series colours. */
export const SERIES_COLOURS = LIGHT.series.length;

/** Number of steps of a heat map. */
export const HEAT_LEVELS = LIGHT.heat.length;

/** The style sheet of every chart: light by default, dark where the viewer prefers it. No script, no font, no link. */
export function chartStyle(): string {
  const base = `.kvc text{font-family:${FONTS};font-size:12px}.kvc .title{font-size:16px;font-weight:600}.kvc .panel{font-weight:600}`;
  return `${base}${rules(LIGHT)}@media (prefers-color-scheme:dark){${rules(DARK)}}`;
}

function rules(theme: Theme): string {
  const series = [...theme.series.entries(), ["reference", theme.quiet] as const].map(
    ([name, colour]) => `.kvc .line${name}{stroke:${colour};fill:none}.kvc .area${name}{fill:${colour};stroke:none}`,
  );
  const heat = theme.heat.map(
    (colour, level) =>
      `.kvc .heat${level}{fill:${colour}}.kvc .on${level}{fill:${level * 2 < theme.heat.length ? theme.text : theme.onHeat}}`,
  );
  return [
    `.kvc .background{fill:${theme.background}}`,
    `.kvc text{fill:${theme.text}}`,
    `.kvc .quiet{fill:${theme.quiet}}`,
    `.kvc .grid{stroke:${theme.grid};fill:none}`,
    `.kvc .empty{fill:none;stroke:${theme.grid};stroke-dasharray:3 2}`,
    `.kvc .axis{stroke:${theme.quiet};fill:none}`,
    ...series,
    ...heat,
  ].join("");
}
