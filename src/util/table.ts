import CliTable from "cli-table3";
import { printable } from "./printable.ts";
import { noColours } from "./terminal.ts";
import type { Colours } from "./terminal.ts";
import { columnsOf, wrapText } from "./text-width.ts";

export interface TableColumn {
  readonly name: string;
  /** Numbers read best on the right. Default `left`. */
  readonly align?: "left" | "right";
}

/** Plain text, or text with a colour for each of its lines. */
export type TableCell = string | { readonly text: string; readonly colour: (line: string) => string };

export interface Table {
  readonly columns: readonly TableColumn[];
  /** One cell per column in each row. */
  readonly rows: readonly (readonly TableCell[])[];
}

export interface TableStyle {
  /** Widest the table may be, in terminal columns; the widest text columns wrap until it fits. Default: no limit. */
  readonly width?: number;
  /** Default: none. */
  readonly colours?: Colours;
}

// A column is never made narrower than this, so a table of many columns may stay wider than a very narrow terminal.
const NARROWEST = 6;

/**
 * The table as lines joined by newlines, without a trailing one. Long cells wrap; nothing is cut off. Borders beside
 * emoji younger than cli-table3's own width table may stand a column off.
 */
export function renderTable(table: Table, style: TableStyle = {}): string {
  const colours = style.colours ?? noColours;
  const head = table.columns.map((column) => ({ text: column.name, colour: colours.bold }));
  const grid = [head, ...table.rows].map((row) => row.map(plainCell));
  const widths = fitWidths(
    table.columns.map((_, index) => Math.max(...grid.map((row) => longestLine(row[index]?.text ?? "")))),
    style.width ?? Infinity,
  );
  const [headLines = [], ...rows] = grid.map((row) =>
    row.map((cell, index) => layOut(cell, widths[index] ?? NARROWEST)),
  );
  const drawn = new CliTable({
    head: headLines,
    colAligns: table.columns.map((column) => column.align ?? "left"),
    // Rules between rows only where cells wrap. The empty lists keep the library's own colours out.
    style: { head: [], border: [], compact: rows.every((row) => row.every((cell) => !cell.includes("\n"))) },
  });
  drawn.push(...rows);
  return drawn.toString();
}

interface PlainCell {
  readonly text: string;
  readonly colour: (line: string) => string;
}

function plainCell(cell: TableCell): PlainCell {
  const { text, colour } = typeof cell === "string" ? { text: cell, colour: (line: string) => line } : cell;
  return { text: printable(text.replaceAll("\t", "    ")), colour };
}

function layOut(cell: PlainCell, width: number): string {
  return wrapText(cell.text, width)
    .map((line) => (line === "" ? "" : cell.colour(line)))
    .join("\n");
}

function longestLine(text: string): number {
  return Math.max(...text.split("\n").map(columnsOf));
}

/** Takes columns off the widest until the table with its borders and padding fits. */
function fitWidths(natural: readonly number[], limit: number): number[] {
  const widths = [...natural];
  const total = () => widths.reduce((sum, width) => sum + width + 3, 1);
  while (total() > limit) {
    const widest = Math.max(...widths);
    if (widest <= NARROWEST) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}
