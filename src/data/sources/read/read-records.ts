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

export interface ReadingRules {
  /** A line that is no JSON is a text, not a fault. */
  readonly plainText?: boolean;
  /** Bytes of a line at most. */
  readonly longestLine?: number;
}

/** A file that is one JSON value over many lines is held as a whole; the largest published ones have about 50 MB. */
const LARGEST_DOCUMENT = 2 ** 28;
/** How far into a file is looked for the end of its first line. */
const FIRST_LINE = 2 ** 20;
/** How a JSON array begins that may hold texts, and a text hardly ever. */
const ARRAY_OF_TEXTS = /^\[\s*(?:[[{"]|(?:null|true|false|-?\d[\d.eE+-]*)\s*,|$)/;

/**
 * The values in the data files at a path, told apart by their first bytes: JSON Lines, a JSON array (its elements), one JSON
 * value over many lines, parquet (its rows). Rows that are no JSON go to `onFault`, files that are damaged or empty to `onDamaged`.
 * @throws KvDistillError as `inputFiles`.
 */
export async function* readRecords(
  path: string,
  notes: SourceNotes,
  rules: ReadingRules = {},
): AsyncGenerator<DataRecord> {
  for await (const file of inputFiles(path)) yield* fileRecords(file, notes, rules);
}

/** The values in one file. */
async function* fileRecords(
  { name, bytes, parquet, fault }: InputFile,
  notes: SourceNotes,
  rules: ReadingRules,
): AsyncGenerator<DataRecord> {
  if (fault !== undefined) notes.onDamaged({ file: name, line: 1, fault });
  else if (parquet !== undefined) yield* parquetRecords(name, parquet, notes);
  else if (bytes !== undefined) yield* textRecords(name, bytes, notes, rules);
}

async function* textRecords(
  file: string,
  bytes: () => AsyncIterable<Buffer>,
  notes: SourceNotes,
  rules: ReadingRules,
): AsyncGenerator<DataRecord> {
  let kind: Kind;
  try {
    kind = await kindOf(bytes(), rules);
  } catch (error) {
    notes.onDamaged({ file, line: 1, fault: readingFault(error, file) });
    return;
  }
  if (kind === "utf-16") notes.onDamaged({ file, line: 1, fault: "the text is UTF-16; it has to be UTF-8" });
  else if (kind === "empty") notes.onDamaged({ file, line: 1, fault: "the file is empty" });
  else if (kind === "array") yield* arrayRecords(file, bytes(), notes);
  else if (kind === "document") yield* documentRecords(file, bytes, notes, rules);
  else yield* lineRecords(file, bytes(), notes, rules);
}

type Kind = "lines" | "array" | "document" | "utf-16" | "empty";

async function kindOf(chunks: AsyncIterable<Buffer>, { plainText = false }: ReadingRules): Promise<Kind> {
  let start = "";
  for await (const chunk of chunks) {
    if (start === "" && isUtf16(chunk)) return "utf-16";
    start = (start + chunk.toString("latin1")).replace(/^\u00ef\u00bb\u00bf/, "").trimStart();
    if (start.length >= FIRST_LINE || start.includes("\n")) break;
  }
  if (start === "") return "empty";
  // A text may begin with a bracket too.
  if (start.startsWith("[") && (!plainText || ARRAY_OF_TEXTS.test(start))) return "array";
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
  { plainText = false, longestLine }: ReadingRules,
): AsyncGenerator<DataRecord> {
  let line = 0;
  try {
    for await (const read of linesOf(chunks, longestLine)) {
      line = read.line;
      const place = { file, line };
      if ("fault" in read) notes.onFault({ ...place, fault: read.fault });
      else if (read.text.trim() !== "") {
        const json = jsonOf(read.text);
        if ("value" in json) yield { ...place, value: json.value };
        else if (plainText) yield { ...place, value: read.text };
        else notes.onFault({ ...place, fault: "the line is not JSON" });
      }
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
      else {
        const json = jsonOf(text);
        if ("value" in json) yield { ...place, value: json.value };
        else notes.onFault({ ...place, fault: "the row is not JSON" });
      }
    }
  } catch (error) {
    const fault = error instanceof ArrayFault ? error.message : readingFault(error, file);
    notes.onDamaged({ file, line: row + 1, unit: "row", fault });
  }
}

async function* documentRecords(
  file: string,
  bytes: () => AsyncIterable<Buffer>,
  notes: SourceNotes,
  rules: ReadingRules,
): AsyncGenerator<DataRecord> {
  const document = await readDocument(file, bytes());
  if ("value" in document) yield { file, line: 1, value: document.value };
  // JSON Lines of which the first was cut after a comma look like a document.
  else if (isObject(document.secondLine)) yield* lineRecords(file, bytes(), notes, rules);
  else notes.onDamaged(document.fault);
}

/** The one JSON value of a file, or why there is none. */
async function readDocument(
  file: string,
  chunks: AsyncIterable<Buffer>,
): Promise<{ readonly value: unknown } | { readonly fault: RowFault; readonly secondLine: string }> {
  const lines: string[] = [];
  let size = 0;
  const failed = (line: number, fault: string) => ({ fault: { file, line, fault }, secondLine: lines[1] ?? "" });
  try {
    for await (const read of linesOf(chunks, LONGEST_ROW)) {
      if ("fault" in read) return failed(read.line, read.fault);
      size += read.text.length;
      if (size > LARGEST_DOCUMENT) return failed(read.line, `one JSON value over ${formatBytes(LARGEST_DOCUMENT)}`);
      lines.push(read.text);
    }
  } catch (error) {
    return failed(lines.length + 1, readingFault(error, file));
  }
  const json = jsonOf(lines.join("\n"));
  // The position is the only lead.
  return "value" in json ? json : failed(1, `the file is not JSON (${json.fault})`);
}

function isObject(text: string): boolean {
  const json = text.startsWith("{") ? jsonOf(text) : {};
  return "value" in json;
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

function jsonOf(text: string): { readonly value: unknown } | { readonly fault: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { fault: messageOf(error) };
  }
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
