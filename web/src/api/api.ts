import { eventsOf, type ServerEvent } from "./events.ts";
import type { ErrorFacts, WorkProgress } from "./types.ts";

/** An answer of the server that says no. The message is for people. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, { code, message }: ErrorFacts) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export interface Asking {
  readonly body?: object | Blob;
  readonly signal?: AbortSignal;
  /** Goes on when the page is left. */
  readonly keepalive?: boolean;
}

/** The server that this page came from. */
export interface Api {
  json<T>(method: string, path: string, asking?: Asking): Promise<T>;
  blob(path: string, signal?: AbortSignal): Promise<Blob>;
  text(path: string, signal?: AbortSignal): Promise<string>;
  /** Events of a POST. */
  events(path: string, body: object, signal: AbortSignal): AsyncGenerator<ServerEvent, void, undefined>;
  /** Long work: what it makes. @param onProgress is told what the server tells meanwhile */
  work<T>(path: string, body: object, signal: AbortSignal, onProgress: (progress: WorkProgress) => void): Promise<T>;
}

/**
 * @param token of this moment, if any
 * @param onUnauthorized called when the server wants a token, or another one
 */
export function createApi(token: () => string | undefined, onUnauthorized: () => void): Api {
  async function ask(
    method: string,
    path: string,
    { body, signal, keepalive }: Asking,
    accept: string,
  ): Promise<Response> {
    const headers = new Headers({ Accept: accept });
    const own = token();
    if (own !== undefined) headers.set("Authorization", `Bearer ${own}`);
    if (body !== undefined) {
      headers.set("Content-Type", body instanceof Blob ? "application/octet-stream" : "application/json");
    }
    const response = await fetch(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body instanceof Blob ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
      ...(keepalive === undefined ? {} : { keepalive }),
    }).catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      throw new ApiError(0, { code: "network", message: "The server cannot be reached. Is it still running?" });
    });
    if (response.ok) return response;
    if (response.status === 401) onUnauthorized();
    throw await refusalOf(response);
  }

  async function* events(
    path: string,
    body: object,
    signal: AbortSignal,
  ): AsyncGenerator<ServerEvent, void, undefined> {
    const response = await ask("POST", path, { body, signal }, "text/event-stream");
    if (response.body !== null) yield* eventsOf(response.body);
  }

  return {
    json: async <T>(method: string, path: string, asking: Asking = {}) =>
      (await (await ask(method, path, asking, "application/json")).json()) as T,
    blob: async (path, signal) => (await ask("GET", path, signal === undefined ? {} : { signal }, "*/*")).blob(),
    text: async (path, signal) => (await ask("GET", path, signal === undefined ? {} : { signal }, "*/*")).text(),
    events,
    work: async <T>(path: string, body: object, signal: AbortSignal, onProgress: (progress: WorkProgress) => void) => {
      for await (const { event, data } of events(path, body, signal)) {
        const told: unknown = JSON.parse(data);
        if (event === "progress") onProgress(told as WorkProgress);
        else if (event === "done") return told as T;
        else throw new ApiError(200, (told as { readonly error: ErrorFacts }).error);
      }
      throw brokenOff();
    },
  };
}

/** A stream that ended before its end. */
export function brokenOff(): ApiError {
  return new ApiError(200, { code: "network", message: "The server broke off before it was done." });
}

async function refusalOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { readonly error: ErrorFacts };
    return new ApiError(response.status, error);
  } catch {
    return new ApiError(response.status, { code: "unknown", message: `The server answers ${response.status}.` });
  }
}
