import process from "node:process";
import { parseArgs } from "node:util";
import { runChild } from "./long-run/child.ts";
import { supervise } from "./long-run/supervise.ts";

// npm run fuzz: see docs/fuzzing.md.
const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    target: { type: "string", default: "" },
    case: { type: "string" },
    edges: { type: "boolean", default: false },
    out: { type: "string", default: "fuzz-failures.jsonl" },
    record: { type: "string" },
    child: { type: "boolean", default: false },
  },
});

const asked = {
  seed: whole("seed", values.seed),
  cases: whole("cases", values.cases),
  from: whole("from", values.from),
  targets: values.target === "" ? [] : values.target.split(","),
  only: values.case === undefined ? undefined : whole("case", values.case),
  edges: values.edges,
  out: values.out,
  record: values.record,
};
if (values.child) await runChild();
else process.exitCode = (await supervise(asked)) === 0 ? 0 : 1;

function whole(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Error(`--${name}: expected a whole number, got ${text}`);
  return Number(text);
}
