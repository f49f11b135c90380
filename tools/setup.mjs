// Brings a checkout to the point where tests and commands run: dependencies installed, sources compiled. Quick when nothing changed.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`a checkout of kv-distill is compiled by Node 20.19 or newer; this is ${process.version}`);
  process.exit(1);
}

function newest(path) {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), mtimeMs);
}

function run(what, args) {
  console.error(`setup: ${what}`);
  const { status } = spawnSync("npm", args, { stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) process.exit(status ?? 1);
}

const installed = "node_modules/.package-lock.json";
if (!existsSync(installed) || newest("package-lock.json") > newest(installed)) {
  run("installing dependencies", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}
const built = [
  ["src", "dist/index.js"],
  ["web", "dist/page/index.html"],
];
if (built.some(([from, to]) => !existsSync(to) || newest(from) > newest(to))) {
  run("compiling", ["run", "--silent", "build"]);
}
