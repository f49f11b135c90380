import type { FileHandle } from "node:fs/promises";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { isKvDistillError, messageOf } from "../../../util/errors.ts";
import { formatBytes } from "../../../util/format.ts";
import { readRange } from "../../../util/read-range.ts";
import { withFile } from "../../../util/with-file.ts";
import { ParquetFault } from "./parquet-fault.ts";

/** Rows of one group, of those that follow each other in a file. */
export interface ParquetGroup {
  readonly rows: readonly unknown[];
}

/** Bytes of one row group, unpacked; writers' defaults are at most 128 MiB to 1 GiB. */
const LARGEST_GROUP = 2 ** 30;

/**
 * The row groups of a parquet file, one in memory at a time, before them one without rows, once it is known what there is; snappy, zstd, gzip, brotli and lz4. The reader trusts what a file says of
 * its sizes: only to be called where it may run out of memory (see `parquetRows`).
 * @throws ParquetFault; KvDistillError `not-found`, `disk`.
 */
export async function* parquetGroups(path: string): AsyncGenerator<ParquetGroup> {
  const groups = await withFile(path, async (handle, size) => {
    const metadata = await metadataOf(bufferOf(handle, size, path));
    return { metadata, sizes: metadata.row_groups.map(({ total_byte_size: bytes }) => Number(bytes)) };
  });
  yield { rows: [] };
  let row = 0;
  for (const [index, group] of groups.metadata.row_groups.entries()) {
    const bytes = groups.sizes[index] ?? 0;
    if (bytes > LARGEST_GROUP) {
      const [got, limit] = [formatBytes(bytes), formatBytes(LARGEST_GROUP)];
      throw new ParquetFault(`a row group has ${got}, over the limit of ${limit}`);
    }
    const rowStart = row;
    row += Number(group.num_rows);
    const rows = await withFile(path, async (handle, size) => {
      const file = bufferOf(handle, size, path);
      return await asFault(() =>
        parquetReadObjects({ file, metadata: groups.metadata, compressors, rowStart, rowEnd: row }),
      );
    });
    yield { rows };
  }
}

function metadataOf(file: AsyncBuffer): Promise<FileMetaData> {
  return asFault(() => parquetMetadataAsync(file));
}

function bufferOf(handle: FileHandle, size: number, path: string): AsyncBuffer {
  async function readPart(from: number, end: number): Promise<ArrayBuffer> {
    if (!(from >= 0 && from <= end && end <= size)) throw new RangeError("a part lies outside the file");
    return (await readRange(handle, from, end - from, path)).buffer;
  }
  return {
    byteLength: size,
    slice: (start, end = size) => {
      const from = start < 0 ? size + start : start;
      const part = readPart(from, end);
      // The reader asks for many parts before it waits for one: what fails meanwhile must not end the process.
      part.catch(() => undefined);
      return part;
    },
  };
}

/** The reader throws errors of any kind at damaged bytes. */
async function asFault<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isKvDistillError(error)) throw error;
    throw new ParquetFault(`the parquet data is damaged or ends early (${messageOf(error)})`);
  }
}
