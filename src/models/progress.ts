/** How far a long step of opening or pulling a model is. */
export interface ModelProgress {
  readonly step: "download" | "check" | "unpack" | "convert" | "hash" | "quantise";
  /** The model or file that the step works on. */
  readonly item: string;
  /** Bytes done so far. */
  readonly done: number;
  /** Bytes in all; undefined when nobody knows yet. */
  readonly total: number | undefined;
}

/** Where opening and pulling tell what they are doing. The library itself prints nothing. */
export interface ModelReporter {
  readonly onProgress?: (progress: ModelProgress) => void;
  /** Something a person should know that does not stop the work. */
  readonly onWarning?: (message: string) => void;
}
