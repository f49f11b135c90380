import { z } from "zod";
import { bytesToHex } from "../util/bytes.ts";
import { KvDistillError } from "../util/errors.ts";
import { portableSha256 } from "../util/sha256.ts";
import { fetchFile, transferError } from "./fetch-file.ts";
import { platform, type WebCache } from "./platform.ts";

/**
 * Files kept in the browser's storage (the Cache API), so that they cross the network once. A file lies there in parts, each with its
 * sha256, and a list of them that is written last: a file without a list is not there.
 */
const STORE = "kv-distill-1";
/** Bytes of a part: what is in memory at a time. */
const PART = 1 << 26;

const listSchema = z.strictObject({
  size: z.int().min(0),
  parts: z.array(z.string().regex(/^[0-9a-f]{64}$/)),
});
type PartList = z.infer<typeof listSchema>;

export interface StoredFileOptions {
  /** The file's sha256 in hex, checked when it is fetched. */
  readonly sha256?: string;
  /** Told while the file is fetched. */
  readonly onBytes?: (done: number, total: number | undefined) => void;
  /** Something a person should know that does not stop the work. */
  readonly onWarning?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * A file by its address: from the storage, every part checked against its sum, or else fetched and stored. A stored file that was damaged
 * is fetched again, with a warning.
 * @throws KvDistillError `not-found`, `network`, `checksum-mismatch` (another sha256 than asked for), `disk` (the storage is full),
 * `unsupported` (no storage: the page is not served securely), `cancelled`
 */
export async function storedFile(url: string, options: StoredFileOptions = {}): Promise<Blob> {
  const cache = await openStore();
  const list = await readList(cache, url);
  if (list !== undefined) {
    const stored = await readParts(cache, url, list);
    if (stored !== undefined) return stored;
    options.onWarning?.(`the stored copy of ${url} is damaged and is fetched again`);
    await forget(cache, url, list.parts.length);
  }
  return fetchAndStore(cache, url, options);
}

/**
 * Deletes every file that was stored.
 * @throws KvDistillError `unsupported`
 */
export async function clearStorage(): Promise<void> {
  await store().delete(STORE);
}

function store(): NonNullable<typeof platform.caches> {
  if (platform.caches !== undefined) return platform.caches;
  throw new KvDistillError("unsupported", "the browser gives this page no storage", {
    hint: "serve the page over https or from localhost",
  });
}

function openStore(): Promise<WebCache> {
  return store().open(STORE);
}

/** Keys are addresses: the file's own, with a word that says which part. */
function keyOf(url: string, part: string): string {
  const key = new URL(url);
  key.hash = "";
  key.searchParams.set("kv-distill", part);
  return key.href;
}

async function readList(cache: WebCache, url: string): Promise<PartList | undefined> {
  const response = await cache.match(keyOf(url, "parts"));
  if (response === undefined) return undefined;
  return listSchema.safeParse(await response.json().catch(() => undefined)).data;
}

/** The stored file; undefined when a part is missing or differs from its sum. */
async function readParts(cache: WebCache, url: string, { size, parts }: PartList): Promise<Blob | undefined> {
  const blobs: Blob[] = [];
  for (const [i, sum] of parts.entries()) {
    const blob = await (await cache.match(keyOf(url, i.toString())))?.blob();
    if (blob === undefined || (await digest(await blob.arrayBuffer())) !== sum) return undefined;
    blobs.push(blob);
  }
  const whole = new Blob(blobs);
  return whole.size === size ? whole : undefined;
}

async function forget(cache: WebCache, url: string, parts: number): Promise<void> {
  await cache.delete(keyOf(url, "parts"));
  for (let i = 0; i < parts; i++) await cache.delete(keyOf(url, i.toString()));
}

async function fetchAndStore(cache: WebCache, url: string, options: StoredFileOptions): Promise<Blob> {
  const { sha256, onBytes, signal } = options;
  const response = await fetchFile(url, signal);
  const length = response.headers.get("content-encoding") === null ? response.headers.get("content-length") : null;
  const total = length === null ? undefined : Number(length);
  const whole = sha256 === undefined ? undefined : portableSha256();
  const parts: string[] = [];
  let size = 0;
  try {
    for await (const part of partsOf(response, url, signal)) {
      whole?.update(part);
      await put(cache, keyOf(url, parts.length.toString()), part, url);
      parts.push(await digest(part.buffer));
      size += part.length;
      onBytes?.(size, total);
    }
    const got = whole?.hex();
    if (got !== sha256) {
      throw new KvDistillError("checksum-mismatch", "the file is another one than asked for", {
        where: url,
        expected: sha256 ?? "",
        got: got ?? "",
      });
    }
    await put(cache, keyOf(url, "parts"), JSON.stringify({ size, parts } satisfies PartList), url);
  } catch (error) {
    await forget(cache, url, parts.length + 1);
    throw error;
  }
  const stored = await readParts(cache, url, { size, parts });
  if (stored !== undefined) return stored;
  throw new KvDistillError("disk", "the browser's storage does not give back what was stored", { where: url });
}

interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }>;
}

/** A response's bytes in pieces of `PART`, the last one shorter. */
async function* partsOf(
  response: Response,
  url: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader() as ByteReader | undefined;
  let part = new Uint8Array(PART);
  let used = 0;
  for (;;) {
    const next = await reader?.read().catch((cause: unknown) => {
      throw transferError(url, cause, signal);
    });
    const value = next?.value;
    if (value === undefined) break;
    for (let at = 0; at < value.length;) {
      const taken = value.subarray(at, at + PART - used);
      part.set(taken, used);
      used += taken.length;
      at += taken.length;
      if (used < PART) continue;
      yield part;
      [part, used] = [new Uint8Array(PART), 0];
    }
  }
  if (used > 0) yield part.slice(0, used);
}

async function put(cache: WebCache, key: string, body: Uint8Array<ArrayBuffer> | string, url: string): Promise<void> {
  try {
    await cache.put(key, new Response(body));
  } catch (cause) {
    throw new KvDistillError("disk", "the browser's storage does not take the file", {
      where: url,
      hint: "it is full, or the browser keeps nothing (private windows): free some room in the site's data",
      cause,
    });
  }
}

async function digest(bytes: ArrayBuffer): Promise<string> {
  return bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
