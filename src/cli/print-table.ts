import { renderTable, type TableColumn } from "../util/table.ts";
import type { Output } from "./context.ts";

/** Prints rows under named columns, as wide as the terminal allows. */
export function printTable(out: Output, names: readonly string[], rows: readonly (readonly string[])[]): void {
  const columns = names.map((name): TableColumn => ({ name }));
  const { width, colours } = out;
  out.line(renderTable({ columns, rows }, { ...(width === undefined ? {} : { width }), colours }));
}
