import { isKvDistillError, KvDistillError, messageOf } from "../../../util/errors.ts";
import { quote } from "../../../util/quote.ts";
import type { HubEndpoint } from "./endpoint.ts";
import { TransientFailure } from "./retry.ts";

export interface HubRequest {
  readonly endpoint: HubEndpoint;
  /** Path and query after the endpoint's address, beginning with a slash. */
  readonly path: string;
  /** What is asked for, for messages. */
  readonly where: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses beside 200 that `use` handles. */
  readonly accept?: readonly number[];
  readonly stallSeconds: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * One GET. `use` reads the response's body and calls `alive` whenever bytes come; without any for `stallSeconds` the transfer
 * is cut off. Redirects are followed; the token does not go with them to other hosts.
 * @throws TransientFailure for what another attempt may cure; KvDistillError `not-found`, `network`, or what `use` throws.
 */
export async function hubGet<T>(
  request: HubRequest,
  use: (response: Response, alive: () => void) => Promise<T>,
): Promise<T> {
  const { endpoint, path, where, stallSeconds, signal } = request;
  const stall = new AbortController();
  const timer = setTimeout(() => {
    stall.abort(new Error(`nothing came for ${stallSeconds} s`));
  }, stallSeconds * 1000);
  try {
    const response = await fetch(`${endpoint.url}${path}`, {
      headers: { ...endpoint.headers, ...request.headers },
      signal: signal === undefined ? stall.signal : AbortSignal.any([signal, stall.signal]),
    });
    timer.refresh();
    if (response.status !== 200 && request.accept?.includes(response.status) !== true) {
      await response.body?.cancel();
      throw statusFailure(response, endpoint, where);
    }
    return await use(response, () => void timer.refresh());
  } catch (error) {
    signal?.throwIfAborted();
    if (isKvDistillError(error) || error instanceof TransientFailure) throw error;
    throw new TransientFailure(lost(error, where));
  } finally {
    clearTimeout(timer);
    stall.abort();
  }
}

/** The connection failed, broke off or stalled. fetch says only "fetch failed"; why is in the cause. */
function lost(error: unknown, where: string): KvDistillError {
  const reason = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : "";
  return new KvDistillError("network", "the transfer failed", {
    where,
    got: reason === "" ? messageOf(error) : reason,
    hint: "check the network (HF_ENDPOINT names another hub) and run it again; it goes on where it stopped",
    cause: error,
  });
}

const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

function statusFailure(response: Response, endpoint: HubEndpoint, where: string): KvDistillError | TransientFailure {
  const { status } = response;
  const code = response.headers.get("x-error-code");
  const message = response.headers.get("x-error-message");
  const got = `status ${status}${message === null ? "" : `: ${quote(message)}`}`;
  if (TRANSIENT.has(status) || status > 504) {
    const error = new KvDistillError("network", "the hub is not answering as it should", { where, got });
    return new TransientFailure(error, retryAfter(response.headers.get("retry-after")));
  }
  if (code === "GatedRepo" || status === 403) {
    const hint = `accept the model's conditions on ${new URL(endpoint.url).host} and set HF_TOKEN to a token that may read it`;
    return new KvDistillError("network", "the hub does not give out this model", { where, got, hint });
  }
  if (status === 401 && endpoint.authorised && code !== "RepoNotFound") {
    return new KvDistillError("network", "the hub does not take the token", { where, got, hint: "check HF_TOKEN" });
  }
  if (code === "RevisionNotFound") return new KvDistillError("not-found", "no such revision", { where, got });
  if (status === 401 || status === 404) {
    const hint = endpoint.authorised
      ? "check the name, and that the token may read it"
      : "a private one needs HF_TOKEN";
    return new KvDistillError("not-found", "the hub has no such model", { where, got, hint });
  }
  return new KvDistillError("network", "the hub refused", { where, got });
}

/** Seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
