import { openSync, writeSync } from "node:fs";
import process from "node:process";

/** What was used since a meter was set. */
export interface Used {
  /** Milliseconds of processor time of all threads, so that neither a busy machine nor a process that was stopped for a while makes a case slow. */
  readonly milliseconds: number;
  /** Bytes by which the process was at its largest beyond what it had. */
  readonly grown: number;
  /** Bytes that the process had at its largest. */
  readonly peak: number;
}

/** Linux forgets a process's largest size when 5 is written here (proc(5)); elsewhere only what is larger than ever before is seen. */
const forgets = process.platform === "linux" ? openSync("/proc/self/clear_refs", "w") : undefined;

export class Meter {
  private begun = 0;
  private resident = 0;

  set(): void {
    if (forgets !== undefined) writeSync(forgets, "5");
    this.resident = forgets === undefined ? largest() : process.memoryUsage.rss();
    this.begun = busy();
  }

  read(): Used {
    const peak = largest();
    return { milliseconds: busy() - this.begun, grown: peak - this.resident, peak };
  }
}

function busy(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function largest(): number {
  return process.resourceUsage().maxRSS * 1024;
}
