import type { FileHandle } from "node:fs/promises";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { isKvDistillError, messageOf } from "../../../util/errors.ts";
import { formatBytes } from "../../../util/format.ts";
import { readRange } from "../../../util/read-range.ts";
import { withFile } from "../../../util/with-file.ts";

/** Bytes of one row group, unpacked; writers' defaults are at most 128 MiB to 1 GiB. */
const LARGEST_GROUP = 2 ** 30;

/** A parquet file is damaged, or holds more at once than is read. */
export class ParquetFault extends Error {
  /** Rows that were read before, of those in the file. */
  readonly row: number;

  constructor(row: number, message: string) {
    super(message);
    this.row = row;
  }
}

/**
 * The rows of a parquet file as plain objects, one row group in memory at a time; snappy, zstd, gzip, brotli and lz4.
 * @throws ParquetFault; KvDistillError `not-found`, `disk`.
 */
export async function* parquetRows(path: string): AsyncGenerator {
  const groups = await withFile(path, async (handle, size) => {
    const metadata = await metadataOf(bufferOf(handle, size, path));
    return { metadata, sizes: metadata.row_groups.map(({ total_byte_size: bytes }) => Number(bytes)) };
  });
  let row = 0;
  for (const [index, group] of groups.metadata.row_groups.entries()) {
    const bytes = groups.sizes[index] ?? 0;
    if (bytes > LARGEST_GROUP) {
      const [got, limit] = [formatBytes(bytes), formatBytes(LARGEST_GROUP)];
      throw new ParquetFault(row + 1, `a row group has ${got}, over the limit of ${limit}`);
    }
    const rowStart = row;
    row += Number(group.num_rows);
    yield* await withFile(path, async (handle, size) => {
      const file = bufferOf(handle, size, path);
      return await asFault(rowStart + 1, () =>
        parquetReadObjects({ file, metadata: groups.metadata, compressors, rowStart, rowEnd: row }),
      );
    });
  }
}

function metadataOf(file: AsyncBuffer): Promise<FileMetaData> {
  return asFault(1, () => parquetMetadataAsync(file));
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
async function asFault<T>(row: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isKvDistillError(error)) throw error;
    throw new ParquetFault(row, `the parquet data is damaged or ends early (${messageOf(error)})`);
  }
}
