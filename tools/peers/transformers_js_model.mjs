// transformers.js as setup.mjs installed it, and an ONNX export of a model's float32 weights (optimum, text generation with past), which is
// made when the model is first opened, and kept.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const installed = join(dirname(fileURLToPath(import.meta.url)), ".installed");
/** The folder that the package is imported from. */
export const nodeModules = join(installed, "transformers-js", "node_modules");
const packageFolder = join(nodeModules, "@huggingface", "transformers");
const { version: installedVersion, exports } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
const entry = exports.node.import.default ?? exports.node.import;

export const version = installedVersion;
export const library = await import(pathToFileURL(join(packageFolder, entry)));

/** @param model { folder, hash } of float32 weights in a Hugging Face folder */
export function openModel({ folder, hash }, dtype, threads) {
  const { AutoModelForCausalLM, env } = library;
  env.allowRemoteModels = false;
  env.localModelPath = join(installed, "exports");
  const name = hash.slice(0, 16);
  exportOnnx(folder, join(env.localModelPath, name));
  return AutoModelForCausalLM.from_pretrained(name, {
    dtype,
    device: "cpu",
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
}

function exportOnnx(from, to) {
  if (existsSync(to)) return;
  const python = process.env.KV_DISTILL_BENCH_EXPORTER;
  const temp = `${to}.tmp`;
  rmSync(temp, { recursive: true, force: true });
  mkdirSync(join(temp, "onnx"), { recursive: true });
  console.error(`exporting ${from} to ONNX, once`);
  const options = ["--task", "text-generation-with-past"];
  const { status } = spawnSync(python, ["-m", "optimum.exporters.onnx", "--model", from, ...options, temp], {
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) throw new Error("the export to ONNX failed");
  for (const file of readdirSync(temp).filter((file) => /\.onnx(_data)?$/.test(file))) {
    renameSync(join(temp, file), join(temp, "onnx", file));
  }
  renameSync(temp, to);
}
