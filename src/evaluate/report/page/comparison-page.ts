import { htmlDocument, htmlText } from "../../../util/html/document.ts";
import { htmlTable } from "../../../util/html/table.ts";
import type { Comparison } from "../compare-runs.ts";
import { comparedTable, comparisonTable, pairingNotes } from "../compare-tables.ts";
import { comparisonPlots } from "../comparison-plots.ts";
import { plotsSection } from "./run-page.ts";
import { REPORT_STYLE } from "./style.ts";

/** Two runs side by side as one self-contained page. */
export function comparisonPage(comparison: Comparison): string {
  const title = `${comparison.task}: ${comparison.a.folder} and ${comparison.b.folder}`;
  return htmlDocument({
    title: `Comparison of ${title}`,
    style: REPORT_STYLE,
    body: `<h1>${htmlText(title)}</h1>
${htmlTable("What is compared", comparedTable(comparison))}
<h2 id="summary">Paired results</h2>
${htmlTable("Paired results", comparisonTable(comparison))}
${pairingNotes(comparison)
  .map((line) => `<p class="quiet">${htmlText(line)}</p>`)
  .join("\n")}
${plotsSection(comparisonPlots(comparison))}`,
  });
}
