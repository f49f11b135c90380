import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { isKvDistillError, KvDistillError, messageOf } from "../../util/errors.ts";
import { checkStoreKey } from "./key.ts";
import type { Store, StoredEntry } from "./store.ts";
import { tooLarge } from "./too-large.ts";

/**
 * A bucket as a store: `s3://bucket/prefix`, with `?endpoint=https://…&region=…` for stores other than Amazon's. Credentials are those that
 * Amazon's tools use: variables of the environment, profiles, the machine's role.
 * @throws KvDistillError `bad-argument`
 */
export function openS3Store(place: string): Store {
  const { bucket, prefix, endpoint, region } = parsePlace(place);
  const client = new S3Client({
    ...(region === undefined ? {} : { region }),
    // Stores other than Amazon's seldom have a name for each bucket.
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    // Files are checked by their sha256; not every store takes the checksums that the client would add.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const where = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const keyOf = (key: string): string => (prefix === "" ? checkStoreKey(key) : `${prefix}/${checkStoreKey(key)}`);
  const attempt = <T>(key: string, work: () => Promise<T>): Promise<T> => asStoreErrors(`${where}/${key}`, work);
  const read = async (key: string): Promise<{ readonly body: Readable; readonly bytes: number | undefined }> => {
    const { Body, ContentLength } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: keyOf(key) }));
    return { body: Body as Readable, bytes: ContentLength };
  };
  return {
    where,
    put: (key, content) =>
      attempt(key, async () => {
        const held = content instanceof Uint8Array;
        await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: keyOf(key),
            Body: held ? content : createReadStream(content.file),
            ContentLength: held ? content.length : (await stat(content.file)).size,
          }),
        );
      }),
    get: (key, maxBytes) =>
      attempt(key, async () => {
        const { body, bytes = 0 } = await read(key);
        const pieces: Uint8Array[] = [];
        let size = bytes;
        let done = 0;
        for await (const piece of body as AsyncIterable<Uint8Array>) {
          done += piece.length;
          size = Math.max(size, done);
          if (size > maxBytes) break;
          pieces.push(piece);
        }
        if (size > maxBytes) throw tooLarge(`${where}/${key}`, size, maxBytes);
        return Buffer.concat(pieces);
      }),
    fetch: (key, path) => attempt(key, async () => writeFileAtomic(path, (await read(key)).body)),
    list: (folder) =>
      attempt(folder, async () => {
        const entries: StoredEntry[] = [];
        const below = { Bucket: bucket, Prefix: `${keyOf(folder)}/` };
        for (let ContinuationToken: string | undefined; ;) {
          const page = await client.send(new ListObjectsV2Command({ ...below, ContinuationToken }));
          for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
            // A file without a time counts as new.
            const changed = (LastModified ?? new Date()).getTime();
            entries.push({ key: Key.slice(prefix === "" ? 0 : prefix.length + 1), bytes: Size, changed });
          }
          ContinuationToken = page.NextContinuationToken;
          if (ContinuationToken === undefined) return entries;
        }
      }),
    removeAll: (folder) =>
      attempt(folder, async () => {
        const below = { Bucket: bucket, Prefix: `${keyOf(folder)}/` };
        for (;;) {
          // What was deleted is not listed again.
          const { Contents = [] } = await client.send(new ListObjectsV2Command(below));
          if (Contents.length === 0) return;
          for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
        }
      }),
    close: () => {
      client.destroy();
    },
  };
}

interface Place {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

function parsePlace(place: string): Place {
  const faults: string[] = [];
  const [path = "", query = ""] = place.slice("s3://".length).split("?");
  const settings = new URLSearchParams(query);
  const [bucket = "", ...folders] = path.replace(/\/+$/, "").split("/");
  const prefix = folders.join("/");
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) faults.push("there is no name of a bucket after s3://");
  if (prefix !== "" && !folders.every((name) => /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name))) {
    faults.push("the prefix is not names between slashes");
  }
  for (const name of settings.keys()) {
    if (name !== "endpoint" && name !== "region") faults.push(`there is no setting ${JSON.stringify(name)}`);
  }
  const endpoint = settings.get("endpoint") ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\/[^/@\s]+\/?$/.test(endpoint)) {
    faults.push("the endpoint is not http(s)://host");
  }
  if (faults.length > 0) {
    const expected = "s3://bucket/prefix?endpoint=https://host&region=name";
    throw new KvDistillError("bad-argument", "not a place in an S3 store", { where: "--store", expected, faults });
  }
  return { bucket, prefix, endpoint, region: settings.get("region") ?? undefined };
}

async function asStoreErrors<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isKvDistillError(error)) throw error;
    const name = error instanceof Error ? error.name : "";
    if (name === "NoSuchKey" || name === "NotFound") {
      throw new KvDistillError("not-found", "the store has no such file", { where, cause: error });
    }
    throw new KvDistillError("network", "the store failed", { where, got: messageOf(error), cause: error });
  }
}
