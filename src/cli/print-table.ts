import { renderTable, type TableColumn } from "../util/table.ts";
import type { Output } from "./context.ts";

/** Where there is no terminal to say: long answers stay readable in a file or a log. Machines read `--json`. */
const WIDTH_OF_A_FILE = 160;

/** Prints rows under named columns, as wide as the terminal allows. */
export function printTable(out: Output, names: readonly string[], rows: readonly (readonly string[])[]): void {
  const columns = names.map((name): TableColumn => ({ name }));
  const { width = WIDTH_OF_A_FILE, colours } = out;
  out.line(renderTable({ columns, rows }, { width, colours }));
}
