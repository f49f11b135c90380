// Starts the programs that setup.mjs installed.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const installed = join(here, "..", ".installed");

/** What is proved in which program: its folder in .installed, and what asks it. */
export const PROGRAMS = {
  "llama.cpp": { program: "node-llama-cpp", script: "ask_llama_cpp.mjs" },
  transformers: { program: "torch", script: "ask_transformers.py" },
  "transformers.js": { program: "transformers-js", script: "ask_transformers_js.mjs" },
  mlx: { program: "mlx", script: "ask_mlx.py" },
  peft: { program: "torch", script: "ask_peft.py" },
};

const manifest = (name) => join(installed, PROGRAMS[name].program, "peer.json");

export const isInstalled = (name) => existsSync(manifest(name));

/** Modules that a loader in JavaScript finds. */
export const NODE_MODULES = join(installed, "transformers-js", "node_modules");

/** Gives a program one request, and returns what it answers. */
export async function ask(name, request, folder) {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(request));
  const { command, environment } = JSON.parse(readFileSync(manifest(name), "utf8"));
  const threads = String(request.threads);
  const child = spawn(command[0], [join(here, PROGRAMS[name].script), path], {
    stdio: ["ignore", "pipe", 2],
    env: { ...process.env, OMP_NUM_THREADS: threads, ...environment },
  });
  const ended = new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const [out, code] = await Promise.all([text(child.stdout), ended]);
  if (code !== 0) throw new Error(`${name} ended with exit code ${code}`);
  return JSON.parse(out.trimEnd().split("\n").at(-1));
}
