import { formatBytes, formatDuration } from "../../../util/format.ts";
import { KvDistillError } from "../../../util/errors.ts";
import type { FetchContext } from "../fetcher.ts";
import type { HubEndpoint } from "./endpoint.ts";
import { type ContentDigest, PartialFile } from "./partial-file.ts";
import { hubGet } from "./request.ts";
import { TransientFailure, withRetries } from "./retry.ts";

export interface RemoteFile {
  readonly endpoint: HubEndpoint;
  /** Path after the endpoint's address. */
  readonly path: string;
  /** For messages. */
  readonly where: string;
  readonly size: number;
  readonly digest: ContentDigest;
}

/**
 * Downloads a file to `path`, going on with what is there already, however often the connection breaks. Returns when every
 * byte is there, on the disk, and as its digest says.
 * @param onBytes gets the bytes of this file that are there
 * @throws KvDistillError `network` and `disk` (what was fetched stays at `path`), `checksum-mismatch` (it does not).
 */
export async function downloadFile(
  file: RemoteFile,
  path: string,
  context: FetchContext,
  onBytes: (there: number) => void,
): Promise<void> {
  const partial = await PartialFile.open(path, file.size, file.digest.algorithm);
  try {
    // What was put together from pieces is given a second chance, fetched in one go.
    let pieced = partial.length > 0;
    for (;;) {
      pieced = (await fetchRest(file, partial, context, onBytes)) || pieced;
      const got = partial.digest();
      if (got === file.digest.hex) break;
      await partial.restart();
      if (!pieced) throw mismatch(file, got);
      context.reporter.onWarning?.(`${file.where}: the pieces do not fit together; fetching it again from the start`);
      pieced = false;
    }
    await partial.flush();
  } finally {
    await partial.close();
  }
}

/** Fetches what is missing; tells whether that took more than one piece. */
async function fetchRest(
  file: RemoteFile,
  partial: PartialFile,
  context: FetchContext,
  onBytes: (there: number) => void,
): Promise<boolean> {
  let pieces = 0;
  onBytes(partial.length);
  await withRetries(
    context.retry,
    async () => {
      if (partial.length === file.size) return;
      pieces++;
      await fetchPiece(file, partial, context, onBytes);
    },
    {
      signal: context.signal,
      progress: () => partial.length,
      onRetry: (failure, seconds) =>
        context.reporter.onWarning?.(
          `${file.where}: ${failure.facts.got ?? failure.message}; again in ${formatDuration(seconds)}`,
        ),
    },
  );
  return pieces > 1;
}

async function fetchPiece(
  file: RemoteFile,
  partial: PartialFile,
  { retry, signal }: FetchContext,
  onBytes: (there: number) => void,
): Promise<void> {
  const { endpoint, path, where, size } = file;
  const start = partial.length;
  const resumed = start > 0;
  const headers: Record<string, string> = resumed ? { range: `bytes=${start.toString()}-` } : {};
  const request = { endpoint, path, where, headers, signal, stallSeconds: retry.stallSeconds };
  await hubGet({ ...request, accept: resumed ? [206, 416] : [] }, async (response, alive) => {
    if (resumed && !continues(response, start, size)) {
      await partial.restart();
      // 200 is the whole file from the start; anything else is of no use.
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new TransientFailure(lost(where, "a part that was not asked for"));
      }
    }
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      alive();
      if (partial.length + chunk.length > size) {
        await partial.restart();
        throw new KvDistillError("checksum-mismatch", "the hub sends more bytes than it announced", {
          where,
          expected: formatBytes(size),
        });
      }
      await partial.append(chunk);
      onBytes(partial.length);
    }
    if (partial.length < size) {
      throw new TransientFailure(lost(where, `${formatBytes(partial.length)} of ${formatBytes(size)}`));
    }
  });
}

/** Whether a response is the rest of the file from `start` on. */
function continues(response: Response, start: number, size: number): boolean {
  if (response.status !== 206) return false;
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  return Number(from) === start && (total === "*" || Number(total) === size);
}

function lost(where: string, got: string): KvDistillError {
  const hint = "run it again; it goes on where it stopped";
  return new KvDistillError("network", "the transfer ended early", { where, got, hint });
}

function mismatch({ where, digest }: RemoteFile, got: string): KvDistillError {
  return new KvDistillError("checksum-mismatch", "the file is not what the hub says it is", {
    where,
    expected: `${digest.algorithm} ${digest.hex}`,
    got,
    hint: "a proxy or a mirror may have changed it; run it again, or choose another hub with HF_ENDPOINT",
  });
}
