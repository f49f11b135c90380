import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { parseRedisUrl } from "../../distribute/redis/address.ts";
import { openStore } from "../../distribute/store/open-store.ts";
import { QueueToken } from "../../distribute/token.ts";
import { runWorker } from "../../distribute/worker/run-worker.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { linkOptions, linkSettings } from "../queue-options.ts";
import { jsonOption, readingOptions } from "../shared-options.ts";
import { option, optionOr, requiredOption, text } from "../spec.ts";
import { wholeNumber } from "../values/whole-number.ts";

export const worker = defineCommand({
  name: "worker",
  summary: "work for the runs of a queue, beside other machines",
  description:
    "Joins a queue and does the jobs of commands that were given the same --queue, --token and --store, until it is stopped by Ctrl-C: " +
    "the job in progress goes back to the queue then. Jobs are data, never code; those without the token's proof are refused, and so " +
    "are those of another version of this package or another model.",
  arguments: {},
  options: {
    queue: requiredOption("--queue <url>", "redis://host:6379, or rediss://user:password@host:6379 with TLS", text),
    ...linkOptions,
    ...readingOptions,
    name: option("--name <name>", "by which others know it (default: machine and process)", text),
    scratch: option(
      "--scratch <folder>",
      "for files on the way (default: the system's folder for temporary files)",
      text,
    ),
    lock: optionOr("--lock <seconds>", "of silence after which its job goes to another", wholeNumber(), 30),
    rest: optionOr("--rest <seconds>", "that it leaves jobs to others after one that it cannot do", wholeNumber(), 5),
    json: jsonOption,
  },
  examples: [
    ["worker --queue redis://10.0.0.5:6379 --store /mnt/shared/kv-distill", "the token is in KV_DISTILL_QUEUE_TOKEN"],
    [
      "worker --queue rediss://team@queue.example.org:6379 --store s3://bucket/kv-distill",
      "Redis with TLS, files in S3",
    ],
  ],
  run: async ({ options }, context) => {
    const { out, log, signal } = context;
    const settings = linkSettings(options);
    if (settings === undefined) return;
    // What is quickly told goes first.
    const address = parseRedisUrl(settings.queue);
    const token = new QueueToken(settings.token);
    const store = await openStore(settings.store);
    const scratch = await mkdtemp(join(options.scratch ?? tmpdir(), "kv-distill-worker-"));
    const name = options.name ?? `${hostname()}-${process.pid}`;
    try {
      await useModel(options, context, (model) =>
        runWorker({
          address,
          token,
          store,
          model,
          name,
          scratch,
          lockSeconds: options.lock,
          restSeconds: options.rest,
          log,
          signal,
          onReady: () => {
            const facts = { worker: name, queue: address.shown, store: store.where, model: model.files.name };
            if (options.json) out.json(facts);
            else out.line(`${name} works for ${address.shown} with ${model.files.name}, files in ${store.where}`);
          },
        }),
      );
    } finally {
      store.close();
      await rm(scratch, { recursive: true, force: true });
    }
  },
});
