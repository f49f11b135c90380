import { parseRedisUrl } from "../../distribute/redis/address.ts";
import { lossTeller } from "../../distribute/redis/loss-teller.ts";
import { openQueues, type Queues } from "../../distribute/redis/queues.ts";
import { follow } from "../../distribute/run/distribute.ts";
import { followTraining } from "../../distribute/run/follow-training.ts";
import { removeLeftovers } from "../../distribute/run/leftovers.ts";
import { Journal } from "../../distribute/run/journal.ts";
import { runFolder } from "../../distribute/run/run-name.ts";
import { takeFromQueue } from "../../distribute/run/take-from-queue.ts";
import { readFailures } from "../../distribute/status/read-failures.ts";
import { readStatus } from "../../distribute/status/read-status.ts";
import { openStore } from "../../distribute/store/open-store.ts";
import type { Store } from "../../distribute/store/store.ts";
import { KvDistillError } from "../../util/errors.ts";
import { formatCount } from "../../util/format.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { failureRows, leftoverRows, runRows, type ToldRun, workerRows } from "../jobs/rows.ts";
import { printTable } from "../print-table.ts";
import { linkOptions, STORE_VARIABLE, storePlace } from "../queue-options.ts";
import { withRunProgress } from "../run-progress.ts";
import { jsonOption } from "../shared-options.ts";
import { flag, option, optionalArgument, requiredOption, text } from "../spec.ts";
import { wholeNumber } from "../values/whole-number.ts";

const FAILURES_SHOWN = 10;
const DAY_SECONDS = 24 * 3600;

export const jobs = defineCommand({
  name: "jobs",
  summary: "runs of a queue: how far, how fast, what failed, who works",
  description:
    "Shows the runs that a queue remembers, for seven days after their end, the workers that are connected, and what failed: which " +
    "documents or passages, how often they were tried, and why. With the name of a run it tells all that failed, and what its workers had " +
    "to say. --follow shows how far a run is until it ends; the run does not need it. Training comes as one " +
    "run after the other, a round each, and is named and followed as a whole. --clean removes from the " +
    "store what no run of the queue asks for.",
  arguments: { run: optionalArgument("run", "name of a run; with --follow by default the newest that has not ended") },
  options: {
    queue: requiredOption("--queue <url>", "redis://host:6379 (docs/distributing.md)", text),
    follow: flag("--follow", "stay until the run has ended"),
    cancel: flag("--cancel", "take the run from the queue, and its files from the store when that is named"),
    clean: flag("--clean", "remove files of runs that the queue has forgotten from the store"),
    olderThan: option(
      "--older-than <days>",
      "with --clean: written to for the last time so long ago (default: 7)",
      wholeNumber({ min: 0, max: 36_500 }),
    ),
    store: linkOptions.store,
    json: jsonOption,
  },
  examples: [
    ["jobs --queue redis://10.0.0.5", "everything"],
    ["jobs --queue redis://10.0.0.5 --follow", "a progress line, from any machine"],
    ["jobs eval-0c7d12ab34ef --queue redis://10.0.0.5", "one run and what its workers told"],
    ["jobs --queue redis://10.0.0.5 --store /mnt/shared/kv-distill --clean", "what nobody asks for any more"],
  ],
  check: ({ options: { follow: following, cancel, clean, olderThan, store }, arguments: { run } }) => [
    ...([following, cancel, clean].filter(Boolean).length > 1 ? ["--follow, --cancel and --clean: give one"] : []),
    ...(clean && run !== undefined ? ["--clean: names no run"] : []),
    ...(clean && storePlace({ store }) === undefined ? [`--store or ${STORE_VARIABLE}: --clean needs it`] : []),
    ...(olderThan !== undefined && !clean ? ["--older-than: is for --clean"] : []),
    ...(cancel && run === undefined ? ["--cancel: name the run"] : []),
  ],
  run: async ({ options, arguments: { run } }, context) => {
    const queues = await openQueues(parseRedisUrl(options.queue), lossTeller(context.log));
    try {
      if (options.cancel) await cancel(queues, run ?? "", storePlace(options), options.json, context);
      else if (options.clean)
        await clean(queues, storePlace(options) ?? "", options.olderThan ?? 7, options.json, context);
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
  const runs = status.runs.filter((own) => run === undefined || own.run === run || own.round?.training === run);
  if (run !== undefined && runs.length === 0) throw unknownRun(run);
  const journals = run === undefined ? [] : runs.map((own) => new Journal(queues.runs, own.run).news());
  const journal = (await Promise.all(journals)).flat();
  const told: ToldRun[] = await Promise.all(
    runs.map(async (own) => ({ ...own, failures: await readFailures(queues, own.run) })),
  );
  if (json) {
    out.json({ ...status, runs: told, ...(run === undefined ? {} : { journal }) });
    return;
  }
  if (status.foreign > 0) log.warn(`${status.foreign} entries of the queue are no runs of this program`);
  if (told.length === 0) out.line("no runs");
  else printTable(out, ["run", "what", "state", "jobs", "rate", "time", "failed"], told.map(runRows));
  if (status.workers.length === 0) out.line("no workers");
  else printTable(out, ["worker", "address", "since", "does"], status.workers.map(workerRows));
  for (const { run: own, unit, failures } of told) {
    if (failures.length === 0) continue;
    const shown = run === undefined ? failures.slice(0, FAILURES_SHOWN) : failures;
    printTable(
      out,
      [`failed in ${own}`, "tried", "why"],
      shown.map((failed) => failureRows(failed, unit)),
    );
    if (shown.length < failures.length) {
      out.line(`… and ${formatCount(failures.length - shown.length)} more: kv-distill jobs ${own}`);
    }
  }
  for (const line of journal) log.info(line);
}

async function followRun(
  queues: Queues,
  named: string | undefined,
  json: boolean,
  context: CommandContext,
): Promise<void> {
  const { runs } = await readStatus(queues);
  const found = runs.find(({ run, state, round }) =>
    named === undefined ? state === "working" || state === "finishing" : run === named || round?.training === named,
  );
  const training = found?.round?.training ?? (named?.startsWith("training-") ? named : undefined);
  if (training !== undefined) {
    await withRunProgress(
      context,
      training,
      (listeners) => followTraining(queues, training, { signal: context.signal, ...listeners }),
      "steps",
    );
    await show(queues, training, json, context);
    return;
  }
  const run = named ?? found?.run;
  if (run === undefined) throw new KvDistillError("not-found", "there is no run that has not ended");
  if ((await queues.runs.getJob(run)) === undefined) throw unknownRun(run);
  await withRunProgress(context, run, (listeners) => follow({ queues }, run, { signal: context.signal, ...listeners }));
  await show(queues, run, json, context);
}

async function cancel(
  queues: Queues,
  run: string,
  place: string | undefined,
  json: boolean,
  { out, log }: CommandContext,
): Promise<void> {
  if ((await queues.runs.getJob(run)) === undefined) throw unknownRun(run);
  const left = await takeFromQueue(queues, run);
  log.info(`${run} is no longer in the queue`);
  if (place === undefined)
    log.warn(`its files stay in the store: with --store or ${STORE_VARIABLE}, jobs --clean removes them in some days`);
  else {
    await withStore(place, (store) => store.removeAll(runFolder(run)));
    if (left > 0) log.warn(`${left} jobs are being done; what they still write, jobs --clean removes in some days`);
  }
  if (json) out.json({ cancelled: run, jobsBeingDone: left, filesRemoved: place !== undefined });
}

async function clean(
  queues: Queues,
  place: string,
  days: number,
  json: boolean,
  { out }: CommandContext,
): Promise<void> {
  const removed = await withStore(place, (store) => removeLeftovers(queues, store, days * DAY_SECONDS));
  if (json) out.json({ removed });
  else if (removed.length === 0) out.line("nothing to remove");
  else printTable(out, ["removed", "files", "size", "unused for"], removed.map(leftoverRows));
}

async function withStore<T>(place: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(place);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

function unknownRun(run: string): KvDistillError {
  return new KvDistillError("not-found", "the queue knows no such run", {
    where: run,
    hint: "files of runs that it has forgotten are removed by jobs --clean",
  });
}
