import type { ReadableFile } from "../util/read-range.ts";

/** A Blob that reads as an open file does. Only what is asked for is brought into memory. */
export function blobFile(blob: Blob): ReadableFile {
  return {
    read: async (target, at, length, position) => {
      const bytes = new Uint8Array(await blob.slice(position, position + length).arrayBuffer());
      target.set(bytes, at);
      return { bytesRead: bytes.length };
    },
  };
}
