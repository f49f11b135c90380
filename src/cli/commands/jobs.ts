import { parseRedisUrl } from "../../distribute/redis/address.ts";
import { lossTeller } from "../../distribute/redis/loss-teller.ts";
import { openQueues, type Queues } from "../../distribute/redis/queues.ts";
import { abandon, follow } from "../../distribute/run/distribute.ts";
import { Journal } from "../../distribute/run/journal.ts";
import { readStatus } from "../../distribute/status/read-status.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { runRows, workerRows } from "../jobs/rows.ts";
import { printTable } from "../print-table.ts";
import { withRunProgress } from "../run-progress.ts";
import { jsonOption } from "../shared-options.ts";
import { flag, optionalArgument, requiredOption, text } from "../spec.ts";

const FAILURES_SHOWN = 10;

export const jobs = defineCommand({
  name: "jobs",
  summary: "runs of a queue: how far, how fast, what failed, who works",
  description:
    "Shows the runs that a queue remembers, for seven days after their end, and the workers that are connected. With the name of a run " +
    "it tells what its workers had to say. --follow shows how far a run is until it ends; the run does not need it.",
  arguments: { run: optionalArgument("run", "name of a run; with --follow by default the newest that has not ended") },
  options: {
    queue: requiredOption("--queue <url>", "redis://host:6379 (docs/distributing.md)", text),
    follow: flag("--follow", "stay until the run has ended"),
    cancel: flag("--cancel", "take the run from the queue; what is being done is done in vain"),
    json: jsonOption,
  },
  examples: [
    ["jobs --queue redis://10.0.0.5", "everything"],
    ["jobs --queue redis://10.0.0.5 --follow", "a progress line, from any machine"],
    ["jobs eval-0c7d12ab34ef --queue redis://10.0.0.5", "one run and what its workers told"],
  ],
  check: ({ options: { follow: following, cancel }, arguments: { run } }) => [
    ...(following && cancel ? ["--follow and --cancel: give one"] : []),
    ...(cancel && run === undefined ? ["--cancel: name the run"] : []),
  ],
  run: async ({ options, arguments: { run } }, context) => {
    const queues = await openQueues(parseRedisUrl(options.queue), lossTeller(context.log));
    try {
      if (options.cancel) await cancel(queues, run ?? "", context);
      else if (options.follow) await followRun(queues, run, options.json, context);
      else await show(queues, run, options.json, context);
    } finally {
      await queues.close();
    }
  },
});

async function show(queues: Queues, run: string | undefined, json: boolean, context: CommandContext): Promise<void> {
  const { out, log } = context;
  const status = await readStatus(queues);
  const runs = status.runs.filter((own) => run === undefined || own.run === run);
  if (run !== undefined && runs.length === 0) throw unknownRun(run);
  const journal = run === undefined ? [] : await new Journal(queues.runs, run).news();
  if (json) {
    out.json({ ...status, runs, ...(run === undefined ? {} : { journal }) });
    return;
  }
  if (status.foreign > 0) log.warn(`${status.foreign} entries of the queue are no runs of this program`);
  if (runs.length === 0) out.line("no runs");
  else printTable(out, ["run", "what", "state", "jobs", "rate", "time", "failed"], runs.map(runRows));
  if (status.workers.length === 0) out.line("no workers");
  else printTable(out, ["worker", "address", "since", "does"], status.workers.map(workerRows));
  for (const { failures } of runs) {
    for (const { job, message } of failures.slice(0, FAILURES_SHOWN)) log.warn(`${job}: ${message}`);
    if (failures.length > FAILURES_SHOWN) log.warn(`… and ${failures.length - FAILURES_SHOWN} more failed`);
  }
  for (const line of journal) log.info(line);
}

async function followRun(
  queues: Queues,
  named: string | undefined,
  json: boolean,
  context: CommandContext,
): Promise<void> {
  const working = async (): Promise<string | undefined> =>
    (await readStatus(queues)).runs.find(({ state }) => state === "working" || state === "finishing")?.run;
  const run = named ?? (await working());
  if (run === undefined) throw new KvDistillError("not-found", "there is no run that has not ended");
  if ((await queues.runs.getJob(run)) === undefined) throw unknownRun(run);
  await withRunProgress(context, run, (listeners) => follow({ queues }, run, { signal: context.signal, ...listeners }));
  await show(queues, run, json, context);
}

async function cancel(queues: Queues, run: string, { log }: CommandContext): Promise<void> {
  if ((await queues.runs.getJob(run)) === undefined) throw unknownRun(run);
  await abandon(queues, run);
  log.info(`${run} is no longer in the queue`);
}

function unknownRun(run: string): KvDistillError {
  return new KvDistillError("not-found", "the queue knows no such run", { where: run });
}
