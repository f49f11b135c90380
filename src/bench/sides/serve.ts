import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { messageOf } from "../../util/errors.ts";
import { type OpenRequest, PROTOCOL_VERSION, type SideResult, type WorkRequest } from "./protocol.ts";

/** What a measured part gave. */
export type Done = Pick<SideResult, "tokens" | "check"> & { readonly seconds: number };

/** Runs the measured part of a request, once. */
export type Measure = <T>(part: () => Promise<T>) => Promise<{ readonly value: T; readonly seconds: number }>;

export interface ServedSide {
  readonly versions: Readonly<Record<string, string>>;
  open(request: OpenRequest): Promise<void>;
  work(request: WorkRequest, measure: Measure): Promise<Done>;
  close(): Promise<void>;
}

/** Answers requests on stdin until it ends. The other half of side.ts. */
export async function serve(side: ServedSide): Promise<void> {
  const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  say({ hello: "kv-distill bench", protocol: PROTOCOL_VERSION, versions: side.versions });
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, ...request } = JSON.parse(line) as { readonly id: number } & (OpenRequest | WorkRequest);
    try {
      let peakBytes: number | null = null;
      if (request.work === "open") {
        await side.open(request);
        say({ id, seconds: 0, tokens: 0, peakBytes, check: {} });
        continue;
      }
      const done = await side.work(request, async (part) => {
        resetPeak();
        const begun = performance.now();
        const value = await part();
        const seconds = (performance.now() - begun) / 1000;
        peakBytes = readPeak();
        return { value, seconds };
      });
      say({ id, ...done, peakBytes });
    } catch (error) {
      say({ id, error: messageOf(error) });
    }
  }
  await side.close();
}

/** Linux can begin the record of the largest resident memory anew (proc_pid_clear_refs(5)); elsewhere it is the process's. */
function resetPeak(): void {
  if (process.platform === "linux") writeFileSync("/proc/self/clear_refs", "5");
}

function readPeak(): number {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024;
  const [, kibibytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}
