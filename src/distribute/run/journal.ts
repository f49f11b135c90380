import type { Job, Queue } from "bullmq";

const MOST_LINES = 1000;
const LONGEST_LINE = 1000;

/** What workers have to say about a run lies in the log of its parent job, which BullMQ's own tools show too. */
export async function addToJournal(jobClass: typeof Job, runs: Queue, run: string, line: string): Promise<void> {
  const text = line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line;
  await jobClass.addJobLog(runs, run, text, MOST_LINES);
}

/** Reads what was not read yet. A journal that has lost its oldest lines may tell a line again. */
export class Journal {
  private readonly runs: Queue;
  private readonly run: string;
  private read = 0;

  constructor(runs: Queue, run: string) {
    this.runs = runs;
    this.run = run;
  }

  async news(): Promise<string[]> {
    const { logs } = await this.runs.getJobLogs(this.run, this.read, -1);
    this.read += logs.length;
    return logs;
  }
}
