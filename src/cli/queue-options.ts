import { SHARD_SIZE } from "../distribute/shards.ts";
import type { LinkSettings } from "../distribute/link.ts";
import { TOKEN_VARIABLE } from "../distribute/token.ts";
import { KvDistillError } from "../util/errors.ts";
import { option, optionOr, type OptionValues, text } from "./spec.ts";
import { wholeNumber } from "./values/whole-number.ts";

/** Environment variable that names the store where the command line does not. */
export const STORE_VARIABLE = "KV_DISTILL_STORE";

/** How the machines of a queue are reached: `...linkOptions` among a command's options, then `linkSettings`. */
export const linkOptions = {
  token: option(
    "--token <secret>",
    `the queue's secret (default: ${TOKEN_VARIABLE}, where others cannot see it)`,
    text,
  ),
  store: option(
    "--store <place>",
    `folder that all machines see, or s3://bucket/prefix (default: ${STORE_VARIABLE})`,
    text,
  ),
} as const;

/** Of commands that can send their work to other machines. */
export const queueOptions = {
  queue: option(
    "--queue <url>",
    "send the work to the workers of a queue: redis://host:6379 (docs/distributing.md)",
    text,
  ),
  ...linkOptions,
  shard: optionOr("--shard <n>", "with --queue: characters of text in a job", wholeNumber(), SHARD_SIZE),
} as const;

type Given = Pick<OptionValues<typeof queueOptions>, "queue" | "token" | "store">;

/** The store that was named, if one was. */
export function storePlace({ store }: Pick<Given, "store">): string | undefined {
  const place = store ?? process.env[STORE_VARIABLE] ?? "";
  return place === "" ? undefined : place;
}

/** What is wrong with them, each good for itself. */
export function queueFaults({ queue, token, store }: Given): string[] {
  if (queue !== undefined) return [];
  return [
    ...(token === undefined ? [] : ["--token is the secret of a --queue"]),
    ...(store === undefined ? [] : ["--store is for work that goes to a --queue"]),
  ];
}

/**
 * Undefined without `--queue`: the work is done here.
 * @throws KvDistillError `bad-argument`
 */
export function linkSettings({ queue, token, store }: Given): LinkSettings | undefined {
  if (queue === undefined) return undefined;
  const secret = token ?? process.env[TOKEN_VARIABLE] ?? "";
  const place = storePlace({ store });
  const faults = [
    ...(secret === "" ? [`--token or ${TOKEN_VARIABLE}: missing`] : []),
    ...(place === undefined ? [`--store or ${STORE_VARIABLE}: missing`] : []),
  ];
  if (faults.length === 0 && place !== undefined) return { queue, token: secret, store: place };
  throw new KvDistillError("bad-argument", "the queue cannot be used", { where: "--queue", faults });
}
