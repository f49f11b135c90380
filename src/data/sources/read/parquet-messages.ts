import type { ErrorCode } from "../../../util/errors.ts";

/** Asks for the next rows of a file; the first request of a file opens it. */
export interface ParquetRequest {
  readonly path: string;
}

/** What the thread answers. */
export type ParquetTold =
  | { readonly kind: "rows"; readonly rows: readonly unknown[] }
  | { readonly kind: "end" }
  | { readonly kind: "fault"; readonly message: string }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string };
