import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { diskError } from "../../util/disk-error.ts";
import { renderTable } from "../../util/table.ts";
import type { BenchRecord } from "../machine-load.ts";
import type { TrialResult } from "../run-trial.ts";
import { foldPlots } from "./fold-plots.ts";
import { summaryLine } from "./summary-line.ts";
import { resultsTable } from "./table.ts";

export const RESULT_FILE = "result.json";

/**
 * Writes result.json (record, every sample), table.txt and plots.
 * @throws KvDistillError `disk`
 */
export async function writeBenchFiles(
  folder: string,
  results: readonly TrialResult[],
  record: BenchRecord,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw diskError(error, folder, "cannot make the folder");
  }
  const { machine, model } = record;
  const json = { record, results, summary: summaryLine(results, record) };
  const files = [
    { file: RESULT_FILE, text: `${JSON.stringify(json, null, 2)}\n` },
    { file: "table.txt", text: `${renderTable(resultsTable(results))}\n` },
    ...foldPlots(results, `${model.name}, ${machine.cores} cores, ${machine.cpu}`).map(({ file, svg }) => ({
      file,
      text: svg,
    })),
  ];
  for (const { file, text } of files) await writeFileAtomic(join(folder, file), Buffer.from(text));
}
