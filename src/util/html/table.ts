import type { Markup } from "../svg/element.ts";
import type { Table } from "../table.ts";
import { htmlText } from "./document.ts";

/** Cells with more characters are wrapped. */
const LONG = 60;

/** A table in a frame of its own, with a name to be read out, that scrolls sideways where the page is narrow; the first column is each row's head. */
export function htmlTable(name: string, { columns, rows }: Table): Markup {
  const aligned = (column: number): string => (columns[column]?.align === "right" ? ' class="right"' : "");
  const head = columns.map(({ name }, i) => `<th scope="col"${aligned(i)}>${htmlText(name)}</th>`);
  const body = rows.map((row) => {
    const cells = row.map((cell, i) => {
      const text = typeof cell === "string" ? cell : cell.text;
      if (i === 0) return `<th scope="row">${htmlText(text)}</th>`;
      return `<td${text.length > LONG ? ' class="long"' : aligned(i)}>${htmlText(text)}</td>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  const inner = `<thead><tr>${head.join("")}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody>`;
  return `<div class="table" tabindex="0" role="region" aria-label="${htmlText(name)}"><table>\n${inner}\n</table></div>`;
}

/** Style of `htmlTable`. */
export const TABLE_STYLE = [
  // A shade at the right edge says that there is more; it is covered when the last column is in sight.
  ".table{overflow-x:auto;margin:.75rem 0;background:linear-gradient(to left,var(--ground) 40%,transparent) right/3rem 100% no-repeat local," +
    "linear-gradient(to left,rgb(var(--mark)/35%),transparent) right/1rem 100% no-repeat scroll}",
  "table{border-collapse:collapse;font-size:.9rem;line-height:1.4;font-variant-numeric:tabular-nums}",
  "th,td{padding:.3rem .45rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}",
  "thead th{color:var(--quiet);font-weight:600;vertical-align:bottom}",
  "tbody th{font-weight:600}th:first-child{position:sticky;left:0;background:var(--ground)}",
  "td{white-space:nowrap}td.long{white-space:normal;overflow-wrap:break-word;min-width:18rem}th.right,td.right{text-align:right}",
].join("\n");
