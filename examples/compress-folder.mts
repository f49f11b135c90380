// Compresses every .txt file of a folder to a .kvd file beside it; one that is there already is left alone.
//   npx tsx compress-folder.mts [FOLDER] [KEEP]          MODEL and METHOD in the environment choose others
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { argv, env } from "node:process";
import { fileURLToPath } from "node:url";
import { compress, describeKvd, isKvDistillError, loadModel, saveKvd } from "kv-distill";

const [folder = fileURLToPath(new URL(".", import.meta.url)), keep = "0.25"] = argv.slice(2);
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

const model = await loadModel(env.MODEL ?? "smollm2-135m-instruct");
let failed = 0;
try {
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".txt")).sort()) {
    const path = join(folder, name.replace(/\.txt$/, ".kvd"));
    if (await isThere(path)) continue;
    try {
      const text = await readFile(join(folder, name), "utf8");
      // In folds: a file may be longer than what the model reads at once.
      const options = { keep: Number(keep), method: env.METHOD ?? "kv-distill", fold: true };
      await saveKvd(path, await compress(model, text, options));
      const { contextLength, slots, fileSize } = await describeKvd(path);
      console.log(`${name}: ${contextLength} tokens, ${slots} rows, ${(fileSize / 1e6).toFixed(1)} MB`);
    } catch (error) {
      // An empty file, say, is told and does not end the work.
      if (!isKvDistillError(error)) throw error;
      failed++;
      console.error(`${name}: ${error.message}`);
    }
  }
} finally {
  await model.close();
}
process.exitCode = failed > 0 ? 1 : 0;
