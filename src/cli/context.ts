import type { Logger } from "../util/log.ts";
import type { Colours } from "../util/terminal.ts";

/** Where results go. */
export interface Output {
  /** Writes as it stands. Text from documents and models is made `printable` by the caller. */
  write(text: string): void;
  /** Writes and ends the line. */
  line(text: string): void;
  /** One line of JSON. */
  json(value: unknown): void;
  /** Whether a person watches. */
  readonly isTerminal: boolean;
  /** Columns to fit tables into; undefined when nobody watches. */
  readonly width: number | undefined;
  readonly colours: Colours;
}

/** What a command gets of the world. */
export interface CommandContext {
  /** Results: stdout. */
  readonly out: Output;
  /** Everything else: stderr, as `KV_DISTILL_LOG` says. */
  readonly log: Logger;
  /** Aborted by Ctrl-C, by SIGTERM, and when nobody reads stdout any more. Throw `cancelled`, or save and return. */
  readonly signal: AbortSignal;
}
