import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { LIMITS } from "../judge.ts";
import { emptyTally, runCases, runEdges, type Running } from "../run-cases.ts";
import { TARGETS } from "../targets/index.ts";
import { useDirectFiles } from "./direct-files.ts";
import type { Chunk, Told } from "./messages.ts";

/** Memory where there is such a folder: thousands of files a second are written. */
export function scratchFolder(): string {
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  return mkdtempSync(join(base, "kv-distill-fuzz-"));
}

/** Milliseconds between signs of life. */
const SIGN_OF_LIFE = 1000;

/** Runs the chunks that the supervisor sends, one after another, until it hangs up. */
export async function runChild(): Promise<void> {
  // Refusals are most of the work; a failure is run again with its stack.
  Error.stackTraceLimit = 0;
  const root = scratchFolder();
  process.on("exit", () => {
    rmSync(root, { recursive: true, force: true });
  });
  const files = useDirectFiles();
  const open = new Map<string, Promise<Running>>();
  const running = (name: string): Promise<Running> => {
    const found = open.get(name) ?? openTarget(name, root);
    open.set(name, found);
    return found;
  };
  const tell = (told: Told): void => void process.send?.(told);
  let last = Promise.resolve();
  process.on("message", (chunk: Chunk) => {
    last = last.then(async () => {
      const target = await running(chunk.target);
      const tally = emptyTally(chunk.slowest);
      files.pooled = chunk.pooled;
      const begun = process.cpuUsage();
      let told = performance.now();
      const reached = (number: number): void => {
        if (performance.now() - told < SIGN_OF_LIFE) return;
        told = performance.now();
        tell({ kind: "case", number });
      };
      if (chunk.edges) await runEdges(target, tally);
      else if (!chunk.stepping) await runCases(target, chunk.seed, chunk.from, chunk.to, tally, LIMITS, reached);
      else {
        for (let number = chunk.from; number < chunk.to; number++) {
          tell({ kind: "case", number });
          await runCases(target, chunk.seed, number, number + 1, tally);
        }
      }
      tell({
        kind: "done",
        cases: tally.cases,
        values: tally.values,
        refusals: [...tally.refusals],
        failures: tally.failures,
        slowest: tally.slowest,
        grown: tally.grown,
        peak: tally.peak,
        milliseconds: milliseconds(process.cpuUsage(begun)),
      });
    });
  });
  await new Promise((resolve) => process.on("disconnect", resolve));
  for (const { opened } of await Promise.all(open.values())) await opened.close();
  process.exit(0);
}

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

async function openTarget(name: string, root: string): Promise<Running> {
  const stream = TARGETS.findIndex((target) => target.name === name);
  const target = TARGETS[stream];
  if (target === undefined)
    throw new RangeError(`no target ${name}; there are ${TARGETS.map((own) => own.name).join(", ")}`);
  return { name, stream, opened: await target.open(mkdtempSync(join(root, `${name}-`))) };
}
