import { type ErrorCode, isKvDistillError, type KvDistillError } from "../../util/errors.ts";
import { Refusal } from "./refusal.ts";

/** An error as the OpenAI API writes it: https://platform.openai.com/docs/guides/error-codes. */
export interface Problem {
  readonly status: number;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    readonly param: string | null;
  };
  readonly retryAfterSeconds: number | undefined;
}

const STATUS: Readonly<Record<ErrorCode, number>> = {
  "bad-argument": 400,
  "bad-file": 400,
  "checksum-mismatch": 400,
  "context-too-long": 400,
  unsupported: 400,
  "too-large": 413,
  "not-found": 404,
  "model-mismatch": 422,
  "shape-mismatch": 422,
  "out-of-memory": 503,
  cancelled: 503,
  disk: 500,
  network: 500,
  "invalid-graph": 500,
  "device-unavailable": 500,
  engine: 500,
  peer: 500,
  "not-finite": 500,
};

const RETRY_OUT_OF_MEMORY_SECONDS = 10;

/** Fields of requests that errors of the package may be about. */
const FIELDS: readonly (string | undefined)[] = [
  "messages",
  "messages.0.role",
  "content",
  "prompt",
  "text",
  "keep",
  "fold",
];

/** What a client is told of anything that was thrown. Bugs and faults of the machine are told without details: those are in the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Refusal) {
    const { code, status, message, facts } = error;
    return problem(status, code, message, facts.param, facts.retryAfterSeconds);
  }
  if (!isKvDistillError(error)) return problem(500, "internal", "the server failed; its log says why");
  const status = STATUS[error.code];
  if (status === 500) return problem(status, error.code, "the server failed; its log says why");
  const retry = status === 503 ? RETRY_OUT_OF_MEMORY_SECONDS : undefined;
  const { where } = error.facts;
  return problem(status, error.code, withoutPath(error), FIELDS.includes(where) ? where : undefined, retry);
}

/** A file of the model is named by its path, which is the server's own. */
function withoutPath({ message, facts: { where } }: KvDistillError): string {
  return where !== undefined && /[\\/]/.test(where) ? message.slice(`${where}: `.length) : message;
}

/** The whole answer to a request that went wrong. */
export function problemResponse({ status, error, retryAfterSeconds }: Problem): Response {
  const headers = new Headers({ "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
  if (retryAfterSeconds !== undefined) headers.set("Retry-After", String(Math.ceil(retryAfterSeconds)));
  if (status === 401) headers.set("WWW-Authenticate", "Bearer");
  return new Response(JSON.stringify({ error }), { status, headers });
}

function problem(status: number, code: string, message: string, param?: string, retryAfterSeconds?: number): Problem {
  return { status, error: { message, type: typeOf(status), code, param: param ?? null }, retryAfterSeconds };
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}
