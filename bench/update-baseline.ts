// Makes bench/baseline.json out of a result: node --import tsx bench/update-baseline.ts DIR, where DIR is what `kv-distill bench --out DIR`
// wrote. Ratios that the result does not have stay as they are. Results of a busy machine are refused.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readBaseline } from "../src/bench/baseline.ts";
import { type BenchRecord, busyWarning } from "../src/bench/machine-load.ts";
import { RESULT_FILE } from "../src/bench/report/files.ts";
import type { SummaryLine } from "../src/bench/report/summary-line.ts";
import { writeFileAtomic } from "../src/util/atomic-file.ts";
import { readTextFile } from "../src/util/read-text.ts";

const path = fileURLToPath(new URL("baseline.json", import.meta.url));
const [, , folder] = process.argv;
if (folder === undefined) {
  console.error("usage: node --import tsx bench/update-baseline.ts DIR");
  process.exit(2);
}
const { record, summary } = JSON.parse(await readTextFile(join(folder, RESULT_FILE), 1 << 26)) as {
  readonly record: BenchRecord;
  readonly summary: SummaryLine;
};
const busy = busyWarning(record);
if (busy !== undefined) {
  console.error(`${busy}: not taken into the baseline`);
  process.exit(1);
}
const before = await readBaseline(path);
const measured = Object.entries(summary.ratios).filter((entry): entry is [string, number] => entry[1] !== null);
const ratios = { ...before.ratios, ...Object.fromEntries(measured.map(([name, ratio]) => [name, round(ratio)])) };
const { machine, code, command, begun } = record;
const note = `${begun}, ${machine.cores} cores of ${machine.cpu}, commit ${code.commit ?? code.version}: ${command.join(" ")}`;
await writeFileAtomic(path, Buffer.from(`${JSON.stringify({ note, tolerance: before.tolerance, ratios }, null, 2)}\n`));
console.error(`${measured.length} ratios taken into ${path}`);

function round(ratio: number): number {
  return Number(ratio.toPrecision(4));
}
