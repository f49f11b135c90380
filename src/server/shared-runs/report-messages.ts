import type { ErrorCode } from "../../util/errors.ts";

/** What the thread that makes a report is started with. */
export interface ReportRequest {
  readonly folder: string;
  /** What the page calls the folder. */
  readonly name: string;
}

/** What it answers. */
export type ReportReply =
  { readonly page: string } | { readonly error: { readonly code: ErrorCode | undefined; readonly message: string } };
