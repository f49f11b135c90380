import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseTrainConfig } from "../../src/train/config.ts";
import { METRICS_FILE } from "../../src/train/metrics.ts";
import { nextRunRecord, writeRunFiles } from "../../src/train/run-files.ts";

/** A folder as a training run leaves it, without checkpoints: `done` of `steps` steps. */
export async function writeTrainingRun(folder: string, done: number, steps: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const record = await nextRunRecord(folder, {
    model: { name: "/home/somebody/llama", hash: "0".repeat(64) },
    data: { files: ["/home/somebody/data.jsonl"], examples: 12, hash: "1".repeat(64) },
    resumed: false,
    session: { fromStep: 0, threads: 1, command: ["train"] },
  });
  await writeRunFiles(folder, parseTrainConfig({ steps }, "config"), record);
  const lines = Array.from({ length: done }, (_, i) => {
    const loss = 1 / (i + 1);
    return `${JSON.stringify({ step: i + 1, loss, forwardKl: loss, reverseKl: loss })}\n`;
  });
  await writeFile(join(folder, METRICS_FILE), lines.join(""));
}
