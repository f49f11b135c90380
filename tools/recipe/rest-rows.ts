/**
 * The same adapter with another number of rows that stand for the rest (docs/decisions/0249), which training does without:
 *   node --import tsx tools/recipe/rest-rows.ts ADAPTER OUT ROWS
 */
import { loadAdapter } from "../../src/cache/load-adapter.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";

const [from = "", out = "", rows = ""] = process.argv.slice(2);
const adapter = await loadAdapter(from);
const hash = await saveAdapter(
  out,
  { ...adapter, config: { ...adapter.config, restRows: Number(rows) } },
  { dtype: "F16" },
);
console.log(hash);
