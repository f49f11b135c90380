import picocolors from "picocolors";

export type Colours = ReturnType<typeof picocolors.createColors>;
type Environment = Readonly<Record<string, string | undefined>>;

/** What this package needs of `process.stdout`, `process.stderr` or a stand-in for tests. */
export interface TextStream {
  readonly isTTY?: boolean;
  /** Width in columns, where it is a terminal. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** True when a person watches the stream on a terminal that can redraw a line. */
export function isLiveTerminal(stream: TextStream, environment: Environment = process.env): boolean {
  return stream.isTTY === true && environment.TERM !== "dumb";
}

/** Colours for a stream: on for a live terminal unless `NO_COLOR` is set and not empty (no-color.org), otherwise off. */
export function coloursFor(stream: TextStream, environment: Environment = process.env): Colours {
  const refused = environment.NO_COLOR !== undefined && environment.NO_COLOR !== "";
  return picocolors.createColors(isLiveTerminal(stream, environment) && !refused);
}

/** No colours at all, for text that goes into a file or a test. */
export const noColours: Colours = picocolors.createColors(false);
