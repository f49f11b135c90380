import type { ModelReporter } from "../progress.ts";
import type { RetryPolicy } from "./hub/retry.ts";
import type { PullProvenance } from "./pulled-model.ts";

/** What every kind of source is given besides the source itself. */
export interface FetchContext {
  readonly reporter: ModelReporter;
  readonly signal: AbortSignal | undefined;
  readonly retry: RetryPolicy;
}

/** What a source put into the work folder. */
export interface Fetched {
  /** File names in the work folder that make up the model; anything else there is left out. */
  readonly files: readonly string[];
  readonly provenance: PullProvenance;
}

/** A source that is ready to be fetched. */
export interface Fetcher {
  /** Names exactly what is fetched, as a file name. */
  readonly key: string;
  /** Whether `fill` can go on with what an earlier call left in the folder. */
  readonly resumable: boolean;
  /** @throws KvDistillError `network`, `checksum-mismatch`, `disk`, `not-found`, `unsupported`, `bad-file`, `too-large`. */
  readonly fill: (folder: string) => Promise<Fetched>;
}
