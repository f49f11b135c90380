import { stat } from "node:fs/promises";
import { join } from "node:path";
import { shardNames } from "../../formats/safetensors/sharded.ts";
import { requireRoom } from "../../util/disk-room.ts";
import { KvDistillError } from "../../util/errors.ts";
import { formatBytes } from "../../util/format.ts";
import { quote } from "../../util/quote.ts";
import { folderNameFor } from "../loading/resolve.ts";
import { checkConfig } from "./check-opens.ts";
import type { FetchContext, Fetched, Fetcher } from "./fetcher.ts";
import { downloadFile } from "./hub/download-file.ts";
import { hubEndpoint, type HubEndpoint } from "./hub/endpoint.ts";
import { type HubFile, type HubModel, hubModel } from "./hub/model-info.ts";
import type { PullSource } from "./pull-source.ts";
import { SINGLE_WEIGHTS, type WantedFiles, wantedFiles } from "./wanted-files.ts";

type HubSource = PullSource & { readonly kind: "hub" };

/** The largest tokenizer.json in use is about 35 MB. */
const MAX_TEXT_BYTES = 1 << 27;

/** One download: what is to be had, and where from. */
interface Download {
  readonly endpoint: HubEndpoint;
  readonly repo: string;
  readonly model: HubModel;
  readonly context: FetchContext;
}

/**
 * A model of the Hugging Face hub, at one commit from the first file to the last. Only the files that this package reads are
 * fetched; a configuration that cannot be opened stops the download before the weights.
 * @throws KvDistillError `not-found`, `network`, `unsupported`, `bad-file`, `too-large`, `bad-argument`.
 */
export async function fetcherFromHub({ repo, revision }: HubSource, context: FetchContext): Promise<Fetcher> {
  const endpoint = hubEndpoint();
  const model = await hubModel(endpoint, repo, revision, context);
  const wanted = wantedFiles(new Set(model.files.keys()), repo);
  const download = { endpoint, repo, model, context };
  const { commit, licence } = model;
  const provenance = { kind: "huggingface-hub", from: repo, revision, commit, licence } as const;
  return {
    key: `${folderNameFor(repo)}@${commit}`,
    resumable: true,
    fill: async (folder): Promise<Fetched> => ({ files: await fetchAll(download, wanted, folder), provenance }),
  };
}

async function fetchAll(download: Download, { texts, weights }: WantedFiles, folder: string): Promise<string[]> {
  const { repo, context } = download;
  const single = weights === SINGLE_WEIGHTS;
  const first = single ? texts : [...texts, weights];
  for (const name of first) requireSmall(`${repo}: ${name}`, fileOf(download, name));
  // What can be known is checked before the first byte.
  await checkRoom(download, single ? [...first, weights] : first, folder);
  await fetchFiles(download, first, folder, `${repo}: configuration`);
  await checkConfig(folder, repo);
  const parts = single ? [weights] : await shardNames(join(folder, weights));
  for (const name of parts) fileOf(download, name);
  await checkRoom(download, parts, folder);
  await fetchFiles(download, parts, folder, repo);
  context.signal?.throwIfAborted();
  return [...first, ...parts];
}

/** Fetches files one after the other; `item` names them together in progress. */
async function fetchFiles(download: Download, names: readonly string[], folder: string, item: string): Promise<void> {
  const { endpoint, repo, model, context } = download;
  const total = names.reduce((sum, name) => sum + fileOf(download, name).size, 0);
  let before = 0;
  for (const name of names) {
    const file = fileOf(download, name);
    const path = `/${repo}/resolve/${model.commit}/${encodeURIComponent(name)}`;
    await downloadFile({ endpoint, path, where: `${repo}: ${name}`, ...file }, join(folder, name), context, (there) =>
      context.reporter.onProgress?.({ step: "download", item, done: before + there, total }),
    );
    before += file.size;
  }
}

function fileOf({ repo, model }: Download, name: string): HubFile {
  const file = model.files.get(name);
  if (file !== undefined) return file;
  throw new KvDistillError("bad-file", "the index lists a file that the repository does not have", {
    where: repo,
    got: quote(name),
  });
}

function requireSmall(where: string, { size }: HubFile): void {
  if (size <= MAX_TEXT_BYTES) return;
  throw new KvDistillError("too-large", "the file is over the limit", {
    where,
    expected: `at most ${formatBytes(MAX_TEXT_BYTES)}`,
    got: formatBytes(size),
  });
}

/** What is there already from an earlier run needs no more room. */
async function checkRoom(download: Download, names: readonly string[], folder: string): Promise<void> {
  let missing = 0;
  for (const name of names) {
    const { size } = fileOf(download, name);
    const there = await stat(join(folder, name)).then(
      (facts) => facts.size,
      () => 0,
    );
    missing += Math.max(0, size - there);
  }
  await requireRoom(folder, missing, download.repo);
}
