// Installs the programs that `kv-distill bench` measures beside this package and that prove-exports.mjs asks, each into a folder of its
// own below .installed:
//
//   node tools/peers/setup.mjs [torch] [kvpress] [transformers-js] [node-llama-cpp] [mlx] [--python PROGRAM]
//
// None is a dependency of the package. With --python the interpreter's own packages are used where they are there already (torch above
// all, which is gigabytes); without it Python peers get everything anew. Exit code 1 when one of them could not be installed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const installed = join(here, ".installed");

const PROGRAMS = {
  torch: (python) => {
    const interpreter = pythonWith("torch", python, ["torch", "transformers", "peft", "safetensors", "numpy"], TORCH);
    writePeer("torch", [interpreter, join(here, "torch_peer.py")]);
  },
  kvpress: (python) => {
    const interpreter = venv("kvpress", python, ["kvpress==0.5.5"]);
    must(interpreter, ["-c", "import kvpress"]);
    writePeer("kvpress", [interpreter, join(here, "kvpress_peer.py")]);
  },
  "transformers-js": (python) => {
    npm("transformers-js", "@huggingface/transformers@4.3.1");
    const exporter = venv("optimum", python, ["optimum-onnx==0.1.0", "onnx", "onnxruntime", "torch"]);
    must(exporter, ["-c", "import optimum.exporters.onnx"]);
    writePeer("transformers-js", [process.execPath, join(here, "transformers_js_peer.mjs")], {
      KV_DISTILL_BENCH_EXPORTER: exporter,
    });
  },
  "node-llama-cpp": () => {
    npm("node-llama-cpp", "node-llama-cpp@3.22.1");
    writePeer("node-llama-cpp", [process.execPath, join(here, "llama_peer.mjs")]);
  },
  mlx: (python) => {
    const mlx = process.platform === "darwin" ? "mlx==0.32.4" : "mlx[cpu]==0.32.4";
    const interpreter = venv("mlx", python, [mlx, "mlx-lm==0.32.2", "numpy"]);
    must(interpreter, ["-c", "import mlx_lm"]);
    writePeer("mlx", [interpreter]);
  },
};

const TORCH = ["torch", "transformers>=5,<6", "peft", "safetensors", "numpy"];

const args = process.argv.slice(2);
const at = args.indexOf("--python");
const [, python] = at < 0 ? [] : args.splice(at, 2);
const unknown = args.filter((name) => !(name in PROGRAMS));
if (unknown.length > 0 || (at >= 0 && python === undefined)) {
  console.error(`usage: node tools/peers/setup.mjs [${Object.keys(PROGRAMS).join("] [")}] [--python PROGRAM]`);
  if (unknown.length > 0) console.error(`there is no ${unknown.join(", ")}`);
  process.exit(2);
}

const failed = [];
for (const name of args.length > 0 ? args : Object.keys(PROGRAMS)) {
  console.error(`== ${name}`);
  try {
    rmSync(join(installed, name, "peer.json"), { force: true });
    PROGRAMS[name](python);
    console.error(`${name}: installed`);
  } catch (error) {
    failed.push(name);
    console.error(`${name}: cannot be installed: ${error.message}`);
  }
}
if (failed.length > 0) console.error(`not installed: ${failed.join(", ")}`);
process.exit(failed.length > 0 ? 1 : 0);

/** The given interpreter where it has all modules, otherwise a virtual environment with the packages. */
function pythonWith(name, python, modules, packages) {
  if (python !== undefined) {
    const own = run(python, ["-c", `import ${modules.join(", ")}; import sys; print(sys.executable)`], "pipe");
    if (own.status === 0) return own.stdout.trim();
    console.error(`${python} lacks some of ${modules.join(", ")}`);
  }
  return venv(name, python, packages);
}

/** A virtual environment's interpreter; what the given interpreter has is seen in it. */
function venv(name, python, packages) {
  const folder = join(installed, name);
  const interpreter =
    process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
  if (!existsSync(interpreter)) {
    mkdirSync(installed, { recursive: true });
    must(python ?? "python3", ["-m", "venv", ...(python === undefined ? [] : ["--system-site-packages"]), folder]);
  }
  must(interpreter, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  return interpreter;
}

/** A package in a folder of its own. Install scripts are off: binaries come in packages, and nothing is fetched or built besides. */
function npm(name, requirement) {
  const folder = join(installed, name);
  mkdirSync(folder, { recursive: true });
  const manifest = join(folder, "package.json");
  if (!existsSync(manifest)) writeFileSync(manifest, '{"private":true}\n');
  must(
    "npm",
    ["install", "--save-exact", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", requirement],
    folder,
  );
}

function writePeer(name, command, environment = {}) {
  mkdirSync(join(installed, name), { recursive: true });
  writeFileSync(join(installed, name, "peer.json"), `${JSON.stringify({ command, environment }, null, 2)}\n`);
}

function must(program, args, cwd) {
  const { status, error } = run(program, args, ["ignore", 2, 2], cwd);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.slice(0, 3).join(" ")} … ended with exit code ${status}`);
}

function run(program, args, stdio, cwd) {
  const shell = process.platform === "win32" && program === "npm";
  return spawnSync(program, args, { stdio, cwd, shell, encoding: "utf8" });
}
