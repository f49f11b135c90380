// Proves that what `kv-distill export` writes is answered from by the programs that it is for, and that PEFT loads adapters:
//
//   node --import tsx tools/peers/prove-exports.mjs [--only NAMES] [--model NAME] [--steps N] [--threads N] [--json]
//
// NAMES: llama.cpp, transformers, transformers.js, mlx, peft, separated by commas; without it all that setup.mjs has installed. Every program
// gets the exported files, is asked the same questions as this package, and tells what it answers and the log-probabilities of all
// tokens at every step. docs/exporting.md has the figures and says what is compared. The table (--json: one object a line) goes to
// stdout. Exit code 1 when something is not as it should be, 3 when a program is not installed.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { resolveModel } from "../../src/models/loading/resolve.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { renderTable } from "../../src/util/table.ts";
import { CACHES, GALAPAGOS, makeAdapterCase, makeCases } from "./exports/ours.mjs";
import { isInstalled, PROGRAMS } from "./exports/programs.mjs";
import { proveLlamaCpp } from "./exports/prove-llama-cpp.mjs";
import { proveLoader } from "./exports/prove-loader.mjs";
import { provePeft } from "./exports/prove-peft.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    model: { type: "string", default: "smollm2-135m-instruct" },
    steps: { type: "string", default: "20" },
    threads: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const wanted = options.only?.split(",") ?? Object.keys(PROGRAMS).filter(isInstalled);
const unknown = wanted.filter((name) => !(name in PROGRAMS));
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(", ")}; there are ${Object.keys(PROGRAMS).join(", ")}`);
  process.exit(2);
}
const missing = wanted.filter((name) => !isInstalled(name));
if (missing.length > 0 || wanted.length === 0) {
  console.error(`not installed: ${missing.join(", ") || "any of them"} (node tools/peers/setup.mjs)`);
  process.exit(3);
}

const folder = mkdtempSync(join(tmpdir(), "kv-distill-exports-"));
const [threads, steps] = [Number(options.threads), Number(options.steps)];
const results = [];
try {
  const { setting, cases, adapterCase } = await ourSide();
  for (const name of wanted) {
    console.error(`asking ${name}`);
    const work = join(folder, name);
    mkdirSync(work);
    const rows = await prove(name).catch((error) => [{ program: name, failure: String(error?.message), good: false }]);
    if (options.json) for (const row of rows) console.log(JSON.stringify(row));
    results.push(...rows);

    async function prove(name) {
      if (name === "peft") return provePeft(adapterCase, setting, work);
      if (name !== "llama.cpp") return proveLoader(name, cases, setting, work);
      const place = await resolveModel(options.model);
      if (place.kind === "gguf") return proveLlamaCpp(cases, setting, place.path, work);
      throw new Error("it reads the GGUF file that the weights came from: name a model that has one");
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
if (!options.json) tell();
process.exit(results.every(({ good }) => good) ? 0 : 1);

/** This package's answers; its model is closed before another program's is opened. */
async function ourSide() {
  const model = await loadModel(options.model, { threads });
  try {
    const asksCaches = wanted.some((name) => name !== "peft");
    return {
      setting: { files: model.files, model: options.model, threads, steps },
      cases: asksCaches ? await makeCases(model, { ...GALAPAGOS, caches: CACHES }, folder, steps) : [],
      adapterCase: wanted.includes("peft") ? await makeAdapterCase(model, GALAPAGOS.text) : undefined,
    };
  } finally {
    await model.close();
  }
}

function tell() {
  const names = ["program", "what", "rows", "difference", "wanted", "same likeliest", "greedy ids", ""];
  const rows = results.map(({ program, cache, rows, contextLength, value, limit, tops, equal, ids, failure, good }) =>
    failure !== undefined
      ? [program, failure, "", "", "", "", "", "FAILED"]
      : [
          program,
          cache,
          `${rows} of ${contextLength}`,
          value.toExponential(1),
          limit,
          tops === undefined ? "" : `${tops} of ${ids}`,
          equal === undefined ? "" : `${equal} of ${ids}`,
          good ? "good" : "WRONG",
        ],
  );
  console.log(renderTable({ columns: names.map((name) => ({ name })), rows }));
  const versions = Object.entries(Object.assign({}, ...results.map((result) => result.versions)));
  console.log(versions.map(([name, version]) => `${name} ${version}`).join(", "));
}
