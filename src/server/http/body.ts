import type { z } from "zod";
import { formatBytes } from "../../util/format.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import { decodeUtf8 } from "../../util/utf8.ts";
import { faultList, shownFault } from "../../util/fault-list.ts";
import { Refusal } from "./refusal.ts";

const WHERE = "body";
const JSON_LIMITS = { maxDepth: 12, maxKeys: 50_000 };

/**
 * The JSON of a request, as a schema says it.
 * @param limit bytes
 * @throws Refusal `unsupported-media-type`, `too-large`, `bad-argument` with all faults; KvDistillError `bad-file` for what is no
 * UTF-8 or no JSON, `too-large` for too deep nesting
 */
export async function readJson<T>(request: Request, schema: z.ZodType<T>, limit: number): Promise<T> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new Refusal("unsupported-media-type", `the body is not said to be JSON: send Content-Type: application/json`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of boundedBody(request, limit)) chunks.push(chunk);
  const json = parseStrictJson(decodeUtf8(Buffer.concat(chunks), WHERE), WHERE, JSON_LIMITS);
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".") || "(body)"}: ${message}`);
  const param = firstField(result.error);
  throw new Refusal("bad-argument", faultList(faults).join("; "), param === undefined ? {} : { param });
}

/**
 * The bytes of a request as they come.
 * @param signal ends the wait for more
 * @throws Refusal `too-large` as soon as there are more than `limit`; the signal's reason
 */
export async function* boundedBody(
  request: Request,
  limit: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > limit) throw tooLarge(limit);
  if (request.body === null) return;
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  const stop = (): void => void reader.cancel().catch(() => undefined);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    let size = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      size += next.value.length;
      if (size > limit) throw tooLarge(limit);
      yield next.value;
    }
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", stop);
    reader.releaseLock();
  }
}

function tooLarge(limit: number): Refusal {
  return new Refusal("too-large", `the body is over the limit of ${formatBytes(limit)}`);
}

/** The field that the first fault is about; an unknown one is named in its parent's fault. */
function firstField({ issues: [issue] }: z.ZodError): string | undefined {
  if (issue === undefined) return undefined;
  const path = issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
  return path.length === 0 ? undefined : shownFault(path.join("."));
}
