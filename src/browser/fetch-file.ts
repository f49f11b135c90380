import { KvDistillError, messageOf } from "../util/errors.ts";
import { platform } from "./platform.ts";

/** An address as the page has it: relative ones are the page's. @throws KvDistillError `bad-argument` */
export function pageUrl(address: string | URL): URL {
  try {
    return new URL(address, platform.location?.href);
  } catch (cause) {
    throw new KvDistillError("bad-argument", "not an address", { got: String(address), cause });
  }
}

/** @throws KvDistillError `not-found`, `network`, `cancelled` */
export async function fetchFile(url: string, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(url, signal === undefined ? {} : { signal }).catch((cause: unknown) => {
    throw transferError(url, cause, signal);
  });
  if (response.status === 404) throw new KvDistillError("not-found", "the server has no such file", { where: url });
  if (!response.ok) {
    throw new KvDistillError("network", "the server refuses the file", {
      where: url,
      got: `status ${response.status}`,
    });
  }
  return response;
}

/** What a failed transfer is: given up by the caller, or the network's fault. */
export function transferError(url: string, cause: unknown, signal?: AbortSignal): KvDistillError {
  if (signal?.aborted === true) return new KvDistillError("cancelled", "the transfer was cancelled", { where: url });
  return new KvDistillError("network", "the transfer failed", {
    where: url,
    got: messageOf(cause),
    hint: "is the server up, and does it allow this page (CORS)?",
    cause,
  });
}
