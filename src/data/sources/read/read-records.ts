import { LONGEST_ROW, linesOf } from "../../read-lines.ts";
import type { Place, RowFault } from "../../passage.ts";
import type { SourceNotes } from "../source.ts";
import { messageOf } from "../../../util/errors.ts";
import { formatBytes } from "../../../util/format.ts";
import { type InputFile, inputFiles, readingFault } from "./input-files.ts";
import { ArrayFault, jsonElements } from "./json-elements.ts";
import { ParquetFault } from "./parquet-fault.ts";
import { parquetRows } from "./parquet-rows.ts";

/** One value of a data file and where it stands. */
export interface DataRecord extends Place {
  readonly value: unknown;
}

/** A file that is one JSON value over many lines is held as a whole; the largest published ones have about 50 MB. */
const LARGEST_DOCUMENT = 2 ** 28;
/** How far into a file is looked for the end of its first line. */
const FIRST_LINE = 2 ** 20;

/**
 * The values in the data files at a path, told apart by their first bytes: JSON Lines, a JSON array (its elements), one JSON
 * value over many lines, parquet (its rows). Rows that are no JSON go to `onFault`, files that are damaged to `onDamaged`.
 * @throws KvDistillError as `inputFiles`.
 */
export async function* readRecords(path: string, notes: SourceNotes): AsyncGenerator<DataRecord> {
  for await (const file of inputFiles(path)) yield* fileRecords(file, notes);
}

/** The values in one file. */
export async function* fileRecords(file: InputFile, notes: SourceNotes): AsyncGenerator<DataRecord> {
  const { name, bytes, parquet, fault } = file;
  if (fault !== undefined) notes.onDamaged({ file: name, line: 1, fault });
  else if (parquet !== undefined) yield* parquetRecords(name, parquet, notes);
  else if (bytes !== undefined) yield* textRecords(name, bytes, notes);
}

async function* textRecords(
  file: string,
  bytes: () => AsyncIterable<Buffer>,
  notes: SourceNotes,
): AsyncGenerator<DataRecord> {
  let kind: Kind;
  try {
    kind = await kindOf(bytes());
  } catch (error) {
    notes.onDamaged({ file, line: 1, fault: readingFault(error, file) });
    return;
  }
  if (kind === "utf-16") notes.onDamaged({ file, line: 1, fault: "the text is UTF-16; it has to be UTF-8" });
  else if (kind === "array") yield* arrayRecords(file, bytes(), notes);
  else if (kind === "document") yield* documentRecords(file, bytes(), notes);
  else yield* lineRecords(file, bytes(), notes);
}

type Kind = "lines" | "array" | "document" | "utf-16";

async function kindOf(chunks: AsyncIterable<Buffer>): Promise<Kind> {
  let start = "";
  for await (const chunk of chunks) {
    if (start === "" && isUtf16(chunk)) return "utf-16";
    start = (start + chunk.toString("latin1")).replace(/^\u00ef\u00bb\u00bf/, "").trimStart();
    if (start.length >= FIRST_LINE || start.includes("\n")) break;
  }
  if (start.startsWith("[")) return "array";
  const newline = start.indexOf("\n");
  const line = newline === -1 ? start : start.slice(0, newline).trimEnd();
  // A JSON value that goes on after its first line was broken after a bracket, a colon or a comma.
  return newline !== -1 && line.startsWith("{") && "[{:,".includes(line.slice(-1)) ? "document" : "lines";
}

function isUtf16([first, second]: Uint8Array): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}

async function* lineRecords(
  file: string,
  chunks: AsyncIterable<Buffer>,
  notes: SourceNotes,
): AsyncGenerator<DataRecord> {
  let line = 0;
  try {
    for await (const read of linesOf(chunks)) {
      line = read.line;
      if ("fault" in read) notes.onFault({ file, line, fault: read.fault });
      else if (read.text.trim() !== "") yield* parsed(read.text, { file, line }, "line", notes.onFault);
    }
  } catch (error) {
    notes.onDamaged({ file, line: line + 1, fault: readingFault(error, file) });
  }
}

async function* arrayRecords(
  file: string,
  chunks: AsyncIterable<Buffer>,
  notes: SourceNotes,
): AsyncGenerator<DataRecord> {
  let row = 0;
  try {
    for await (const element of jsonElements(chunks)) {
      row = element.row;
      const place = { file, line: row, unit: "row" } as const;
      const text = "fault" in element ? undefined : utf8(element.bytes);
      if ("fault" in element) notes.onFault({ ...place, fault: element.fault });
      else if (text === undefined) notes.onFault({ ...place, fault: "the row is not UTF-8" });
      else yield* parsed(text, place, "row", notes.onFault);
    }
  } catch (error) {
    const fault = error instanceof ArrayFault ? error.message : readingFault(error, file);
    notes.onDamaged({ file, line: row + 1, unit: "row", fault });
  }
}

async function* documentRecords(
  file: string,
  chunks: AsyncIterable<Buffer>,
  notes: SourceNotes,
): AsyncGenerator<DataRecord> {
  const lines: string[] = [];
  let size = 0;
  let fault: RowFault | undefined;
  try {
    for await (const read of linesOf(chunks, LONGEST_ROW)) {
      if ("fault" in read) {
        fault = { file, ...read };
        break;
      }
      size += read.text.length;
      if (size > LARGEST_DOCUMENT) {
        fault = { file, line: read.line, fault: `one JSON value over ${formatBytes(LARGEST_DOCUMENT)}` };
        break;
      }
      lines.push(read.text);
    }
  } catch (error) {
    fault = { file, line: lines.length + 1, fault: readingFault(error, file) };
  }
  if (fault !== undefined) notes.onDamaged(fault);
  else yield* parsed(lines.join("\n"), { file, line: 1 }, "file", notes.onDamaged);
}

async function* parquetRecords(file: string, path: string, notes: SourceNotes): AsyncGenerator<DataRecord> {
  let row = 0;
  try {
    for await (const value of parquetRows(path, notes.parquetPatience)) {
      row++;
      yield { file, line: row, unit: "row", value: plain(value) };
    }
  } catch (error) {
    if (!(error instanceof ParquetFault)) throw error;
    notes.onDamaged({ file, line: row + 1, unit: "row", fault: error.message });
  }
}

function* parsed(
  text: string,
  place: Place,
  what: "line" | "row" | "file",
  onFault: (fault: RowFault) => void,
): Generator<DataRecord> {
  let value: unknown;
  try {
    value = JSON.parse(text) as unknown;
  } catch (error) {
    // Where a whole file is no JSON, the position is the only lead.
    const more = what === "file" ? ` (${messageOf(error)})` : "";
    onFault({ ...place, fault: `the ${what} is not JSON${more}` });
    return;
  }
  yield { ...place, value };
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Parquet's 64-bit whole numbers as numbers, wherever they stand. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
