import { loadavg } from "node:os";
import { type CodeVersion, type Machine, thisCode, thisMachine } from "../evaluate/run/machine.ts";
import { formatNumber } from "../util/format.ts";

/** What was measured, on what, and how busy it was. */
export interface BenchRecord {
  readonly begun: string;
  readonly command: readonly string[];
  readonly machine: Machine;
  readonly code: CodeVersion;
  /** Mean number of runnable threads over the last minute before the start; null where the system does not tell. */
  readonly load: number | null;
  readonly threads: number;
  readonly device: string;
  readonly precision: string;
  readonly model: { readonly name: string; readonly hash: string };
}

/** Share of the cores above which other programs disturb the figures. */
const BUSY = 0.25;

export async function benchRecord(
  options: Pick<BenchRecord, "command" | "threads" | "device" | "precision" | "model">,
): Promise<BenchRecord> {
  return {
    begun: new Date().toISOString(),
    ...options,
    machine: thisMachine(),
    code: await thisCode(),
    load: process.platform === "win32" ? null : (loadavg()[0] ?? null),
  };
}

/** A warning when the machine is busy with something else. */
export function busyWarning({ load, machine }: Pick<BenchRecord, "load" | "machine">): string | undefined {
  if (load === null || load <= BUSY * machine.cores) return undefined;
  return (
    `the machine is busy: load ${formatNumber(load)} on ${machine.cores} cores before the start; ` +
    "absolute figures will be low and ratios uncertain"
  );
}
