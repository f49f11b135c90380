import { mkdir, rename } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { cacheFolder } from "../../models/home.ts";
import { folderNameFor } from "../../models/loading/resolve.ts";
import type { ModelReporter } from "../../models/progress.ts";
import type { FetchContext } from "../../models/pull/fetcher.ts";
import { downloadFile } from "../../models/pull/hub/download-file.ts";
import { hubEndpoint } from "../../models/pull/hub/endpoint.ts";
import { hubModel, type HubModel } from "../../models/pull/hub/model-info.ts";
import { RETRY_POLICY, type RetryPolicy } from "../../models/pull/hub/retry.ts";
import { parseHubName } from "../../models/pull/pull-source.ts";
import { claimWorkFolder } from "../../models/pull/work-folder.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { writeFolderAtomic } from "../../util/atomic-folder.ts";
import { requireRoom } from "../../util/disk-room.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { quote } from "../../util/quote.ts";
import { isDataFile } from "./read/input-files.ts";

export interface DataPathOptions extends ModelReporter {
  readonly signal?: AbortSignal;
  /** How lost transfers are tried again. */
  readonly retry?: Partial<RetryPolicy>;
}

/** Beside the data files, what P3 puts rows into words with. */
const TEMPLATES = "templates.yaml";
/** A path in a repository: plain names only, so that it leads nowhere else. */
const SAFE_PATH = /^[A-Za-z0-9_][\w.+ -]*(?:\/[A-Za-z0-9_][\w.+ -]*)*$/;

/**
 * Where data lies that a person named: the file or folder at that path, or else the data files of `org/name` or
 * `org/name@revision` among the hub's data sets, fetched whole into the cache folder at the first call and found there by
 * the next ones. An interrupted download is gone on with.
 * @throws KvDistillError `not-found` (neither, or a data set without data files), `network`, `checksum-mismatch`, `disk`,
 * `bad-argument` for an impossible revision, `bad-file`, `too-large`; the signal's reason.
 */
export async function dataPath(name: string, options: DataPathOptions = {}): Promise<string> {
  if (await pathExists(name)) return name;
  const hub = isAbsolute(name) || name.startsWith(".") ? undefined : parseHubName(name);
  if (hub === undefined) {
    throw new KvDistillError("not-found", "no such data", {
      where: quote(name),
      expected: "a file, a folder, or org/name of the hub's data sets",
    });
  }
  const suffix = hub.revision === "main" ? "" : `@${hub.revision}`;
  const folder = join(await cacheFolder("datasets"), folderNameFor(`${hub.repo}${suffix}`));
  if (!(await pathExists(folder))) await fetchDataSet(hub.repo, hub.revision, folder, options);
  return folder;
}

async function fetchDataSet(repo: string, revision: string, folder: string, options: DataPathOptions): Promise<void> {
  const { signal } = options;
  const context: FetchContext = { reporter: options, signal, retry: { ...RETRY_POLICY, ...options.retry } };
  const dataSet = await hubModel(hubEndpoint(), repo, revision, context, "datasets");
  const names = dataFiles(dataSet, repo);
  const work = await claimWorkFolder(`datasets-${folderNameFor(repo)}@${dataSet.commit}`, true);
  let keep = true;
  try {
    await fetchFiles({ repo, dataSet, names, folder: work.path, context });
    await writeFolderAtomic(folder, async (temp) => {
      for (const name of names) {
        await mkdir(dirname(join(temp, name)), { recursive: true });
        await rename(join(work.path, flat(name)), join(temp, name));
      }
      const { commit, licence } = dataSet;
      const record = { kind: "huggingface-hub", from: repo, revision, commit, licence };
      await writeFileAtomic(join(temp, "source.json"), Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`));
    });
    keep = false;
  } finally {
    await work.release(keep);
  }
}

interface Fetch {
  readonly repo: string;
  readonly dataSet: HubModel;
  readonly names: readonly string[];
  readonly folder: string;
  readonly context: FetchContext;
}

async function fetchFiles({ repo, dataSet, names, folder, context }: Fetch): Promise<void> {
  const sizes = names.map((name) => dataSet.files.get(name)?.size ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  await requireRoom(folder, total, repo);
  let before = 0;
  for (const name of names) {
    const file = dataSet.files.get(name);
    if (file === undefined) continue;
    const path = `/datasets/${repo}/resolve/${dataSet.commit}/${name.split("/").map(encodeURIComponent).join("/")}`;
    const remote = { endpoint: hubEndpoint(), path, where: `${repo}: ${name}`, ...file };
    const base = before;
    await downloadFile(remote, join(folder, flat(name)), context, (there) =>
      context.reporter.onProgress?.({ step: "download", item: repo, done: base + there, total }),
    );
    before += file.size;
  }
}

/** In the work folder all files lie side by side: an unfinished download has no folders to be made again. */
function flat(name: string): string {
  return name.replaceAll("/", "%");
}

function dataFiles({ files }: HubModel, repo: string): string[] {
  const names = [...files.keys()].filter((path) => {
    const name = path.split("/").at(-1) ?? "";
    return SAFE_PATH.test(path) && !path.includes("..") && (isDataFile(name) || name === TEMPLATES);
  });
  if (names.some((name) => !name.endsWith(TEMPLATES))) return names.sort();
  throw new KvDistillError("not-found", "the data set has no files that are read here", {
    where: repo,
    expected: ".jsonl, .json, .parquet, .zip, and .gz of them",
    hint: `the hub may have a copy in parquet: ${repo}@refs/convert/parquet`,
  });
}
