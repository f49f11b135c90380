import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tinyModel } from "../models/tiny-models.ts";
import { runCli } from "./run-cli.ts";

export const llama = tinyModel("llama");
export const TEXT = "the cat sat on the mat and the dog sat on the log in 2019 and 2020 then they all went home again";

/** Writes a text and its compressed cache into a folder. */
export async function compressedText(folder: string): Promise<string> {
  const file = join(folder, "text.txt");
  await writeFile(file, TEXT);
  const run = await runCli(["compress", file, "--tokens", "12", "--method", "streaming", "--model", llama, "--json"]);
  if (run.code !== 0) throw new Error(run.stderr);
  return join(folder, "text.kvd");
}

/** The one JSON value that a command printed. */
export function jsonOf(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout) as Record<string, unknown>;
}
