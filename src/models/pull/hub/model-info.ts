import { z } from "zod";
import { boundedList } from "../../../util/bounded-list.ts";
import { KvDistillError } from "../../../util/errors.ts";
import { parseStrictJson } from "../../../util/strict-json.ts";
import type { FetchContext } from "../fetcher.ts";
import type { HubEndpoint } from "./endpoint.ts";
import type { ContentDigest } from "./partial-file.ts";
import { hubGet } from "./request.ts";
import { withRetries } from "./retry.ts";

export interface HubFile {
  readonly size: number;
  readonly digest: ContentDigest;
}

/** What the hub says of one revision of a model or a data set. */
export interface HubModel {
  readonly commit: string;
  readonly licence: string | undefined;
  /** By path in the repository. Untrusted: to be looked up in, never to be written to. */
  readonly files: ReadonlyMap<string, HubFile>;
}

const MAX_BYTES = 1 << 25;
const size = z.int().min(0);
const siblingSchema = z.object({
  rfilename: z.string(),
  size: size.optional(),
  blobId: z
    .string()
    .regex(/^[0-9a-f]{40}$/)
    .optional(),
  lfs: z.object({ size, sha256: z.string().regex(/^[0-9a-f]{64}$/) }).nullish(),
});
const modelSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: boundedList(siblingSchema),
  cardData: z.object({ license: z.union([z.string(), boundedList(z.string())]).nullish() }).nullish(),
});

/**
 * Asks the hub for a repository's commit, licence and files with sizes and digests.
 * @throws KvDistillError `not-found`, `network`, `bad-file` (not an answer of a hub), `too-large`.
 */
export async function hubModel(
  endpoint: HubEndpoint,
  repo: string,
  revision: string,
  { retry, signal, reporter }: FetchContext,
  kind: "models" | "datasets" = "models",
): Promise<HubModel> {
  const path = `/api/${kind}/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const where = revision === "main" ? repo : `${repo}@${revision}`;
  const { stallSeconds } = retry;
  const text = await withRetries(
    retry,
    () =>
      hubGet({ endpoint, path, where, stallSeconds, signal }, (response, alive) => readText(response, alive, where)),
    { signal, onRetry: (failure) => reporter.onWarning?.(`${where}: ${failure.facts.got ?? failure.message}; again`) },
  );
  const json = parseStrictJson(text, where, { maxDepth: 64, maxKeys: 1_000_000 });
  const result = modelSchema.safeParse(json);
  if (!result.success) {
    const faults = result.error.issues.slice(0, 20).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new KvDistillError("bad-file", "the hub's answer is not understood", { where, faults });
  }
  const { sha, siblings, cardData } = result.data;
  const files = new Map(siblings.flatMap((sibling) => entryOf(sibling)));
  const licence = [cardData?.license ?? []].flat().join(", ");
  return { commit: sha, files, licence: licence === "" ? undefined : licence };
}

/** Files without size or digest cannot be checked and so are not there. */
function entryOf({ rfilename, size, blobId, lfs }: z.infer<typeof siblingSchema>): [string, HubFile][] {
  if (lfs != null) return [[rfilename, { size: lfs.size, digest: { algorithm: "sha256", hex: lfs.sha256 } }]];
  if (size === undefined || blobId === undefined) return [];
  return [[rfilename, { size, digest: { algorithm: "git-blob-sha1", hex: blobId } }]];
}

async function readText(response: Response, alive: () => void, where: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    alive();
    length += chunk.length;
    if (length > MAX_BYTES) {
      throw new KvDistillError("too-large", "the hub's answer is over the limit", {
        where,
        expected: `at most ${MAX_BYTES.toString()} bytes`,
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
