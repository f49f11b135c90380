import { isKvDistillError, KvDistillError, type ErrorCode } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { folderNameFor, isModelName, pulledFolder } from "../loading/resolve.ts";
import type { ModelReporter } from "../progress.ts";
import { checkOpens } from "./check-opens.ts";
import type { FetchContext, Fetcher } from "./fetcher.ts";
import { fetcherFromHub } from "./from-hub.ts";
import { fetcherFromLocal } from "./from-local.ts";
import { fetcherFromPackage } from "./from-package.ts";
import { RETRY_POLICY, type RetryPolicy } from "./hub/retry.ts";
import { placeModel } from "./place-model.ts";
import { defaultName, parsePullSource, type PullSource } from "./pull-source.ts";
import { findPulled, type PulledModel } from "./pulled-model.ts";
import { claimWorkFolder } from "./work-folder.ts";

export interface PullOptions extends ModelReporter {
  /** The name to open the model by. Default: the known name, `org/model`, or the name of the folder or file. */
  readonly name?: string | undefined;
  /** Fetch again, and replace a model that has the name. */
  readonly replace?: boolean;
  readonly signal?: AbortSignal;
  /** How lost transfers are tried again. */
  readonly retry?: Partial<RetryPolicy>;
}

export interface PullResult extends PulledModel {
  /** Nothing was fetched: it was pulled before. */
  readonly alreadyThere: boolean;
}

/**
 * Fetches a model into the cache folder, whole or not at all, so that `openModel` and `loadModel` know it by its name.
 * What was pulled was found openable and, but for local files, as the hub's or this package's checksums say. An interrupted
 * download from the hub is gone on with by the next call.
 * @param source a known name, `org/model` or `org/model@revision` of the Hugging Face hub, a Hugging Face folder or a .gguf file
 * @throws KvDistillError `not-found`, `network`, `checksum-mismatch`, `disk`, `cancelled`, `unsupported`, `bad-file`, `too-large`,
 * `bad-argument` (also when another model has the name).
 */
export async function pull(source: string, options: PullOptions = {}): Promise<PullResult> {
  const { signal, replace = false } = options;
  const from = await parsePullSource(source);
  const name = checkName(options.name ?? defaultName(from), source);
  const there = replace ? undefined : await findPulled(name);
  if (there !== undefined) return { ...requireSame(there, from), alreadyThere: true };
  try {
    signal?.throwIfAborted();
    const context = { reporter: options, signal, retry: { ...RETRY_POLICY, ...options.retry } };
    await fetchAndPlace(await fetcherFor(from, name, context), pulledFolder(name), replace, options);
  } catch (error) {
    if (signal?.aborted !== true) throw error;
    throw new KvDistillError("cancelled", "the pull was stopped", {
      where: name,
      hint: from.kind === "hub" ? "run it again to go on where it stopped" : "nothing was kept; run it again",
      cause: error,
    });
  }
  const pulled = await findPulled(name);
  if (pulled === undefined) throw new KvDistillError("not-found", "the pulled model was deleted", { where: name });
  return { ...requireSame(pulled, from), alreadyThere: false };
}

async function fetcherFor(from: PullSource, name: string, context: FetchContext): Promise<Fetcher> {
  switch (from.kind) {
    case "package":
      return fetcherFromPackage(from.model, context);
    case "hub":
      return fetcherFromHub(from, context);
    case "local":
      return fetcherFromLocal(from, `local-${folderNameFor(name)}`, context);
  }
}

/** Failures after which what was fetched is still of use. */
const RESUMABLE: readonly ErrorCode[] = ["network", "disk", "cancelled", "checksum-mismatch"];

async function fetchAndPlace(
  { key, resumable, fill }: Fetcher,
  folder: string,
  replace: boolean,
  { signal }: PullOptions,
): Promise<void> {
  const work = await claimWorkFolder(key, resumable);
  let keep = false;
  try {
    const fetched = await fill(work.path);
    await checkOpens(work.path);
    await placeModel(work.path, fetched, folder, replace);
  } catch (error) {
    keep = resumable && (signal?.aborted === true || (isKvDistillError(error) && RESUMABLE.includes(error.code)));
    throw error;
  } finally {
    await work.release(keep);
  }
}

function checkName(name: string, source: string): string {
  if (isModelName(name)) return name;
  throw new KvDistillError("bad-argument", "not a name for a model", {
    where: source,
    expected: 'letters, digits, ".", "_" and "-", with at most one "/", and no ".." or "--"',
    got: quote(name),
    hint: "choose another one with --name",
  });
}

/** Refuses to call a model pulled when its name belongs to one from elsewhere. */
function requireSame(there: PulledModel, from: PullSource): PulledModel {
  const asked = origin(from);
  const { source } = there;
  const got = source === undefined ? undefined : [source.kind, source.from, source.revision ?? ""].join(" ").trim();
  if (asked === got) return there;
  throw new KvDistillError("bad-argument", "another model has that name", {
    where: there.name,
    expected: asked,
    got: got ?? "a folder that does not say where it came from",
    hint: "choose another name with --name, or replace it with --replace",
  });
}

function origin(from: PullSource): string {
  switch (from.kind) {
    case "package":
      return `python-package ${from.model.requirement}`;
    case "hub":
      return `huggingface-hub ${from.repo} ${from.revision}`;
    case "local":
      return `${from.format === "gguf" ? "gguf-file" : "huggingface-folder"} ${from.path}`;
  }
}
