/** What is written: bytes in memory, or a file on this machine. */
export type Content = Uint8Array | { readonly file: string };

/** A file of a store. */
export interface StoredEntry {
  readonly key: string;
  readonly bytes: number;
  /** When it was written, by the store's clock, in milliseconds since 1970. */
  readonly changed: number;
}

/**
 * Files that all machines of a run see, by keys (`checkStoreKey`). A file appears whole or not at all; writing it again replaces it.
 * Every method throws KvDistillError `bad-argument` for a key that leads out, `not-found`, and `disk` or `network` for a store that fails.
 */
export interface Store {
  /** For people: no secret is in it. */
  readonly where: string;
  put(key: string, content: Content): Promise<void>;
  /** @throws KvDistillError `too-large` when there are more than `maxBytes` */
  get(key: string, maxBytes: number): Promise<Uint8Array>;
  /** Copies a file to this machine, over what may be at `path`. */
  fetch(key: string, path: string): Promise<void>;
  /** Every file below `folder/`, half-written ones too, in no order. */
  list(folder: string): Promise<StoredEntry[]>;
  /** Deletes everything below `folder/`. What is not there is no fault; what others write there meanwhile may stay. */
  removeAll(folder: string): Promise<void>;
  close(): void;
}
