import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { diskError } from "../../util/disk-error.ts";
import { isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { openLineFile, type LineFile } from "../../util/line-file.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { failureOf } from "../jobs/payload.ts";
import { isMachineFault } from "../worker/faults.ts";
import { cacheNameOf, compressDocument, type DocumentLine, type DocumentSettings, textDigest } from "./document.ts";
import { checkFolderConfig, type FolderIdentity } from "./folder-config.ts";
import { listDocuments } from "./list-documents.ts";
import { parseDocumentLine } from "./parse-line.ts";

/** Longest text of a document: far beyond what any model reads. */
const MAX_TEXT_BYTES = 256 * 2 ** 20;

export const LINES_FILE = "documents.jsonl";
export const CONFIG_FILE = "compress.json";

export interface CompressFolderOptions {
  readonly model: LanguageModel;
  /** Folder of documents. */
  readonly from: string;
  /** Folder of caches; documents below it are none. */
  readonly out: string;
  readonly settings: DocumentSettings;
  /** For kv-distill. */
  readonly adapter?: LoadedAdapter;
  /** Go on with what is in `out`. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, latest: DocumentLine | undefined) => void;
  readonly onNote?: (line: string) => void;
  /** Who compresses; absent: this process, one after the other. */
  readonly compress?: CompressDocuments;
}

/** A document that is to be compressed. */
export interface OpenDocument {
  readonly name: string;
  /** Reads it. @throws KvDistillError as `readTextFile` */
  readonly text: () => Promise<string>;
  /** Where its cache goes; the folder is there. */
  readonly path: string;
}

/** Compresses documents, writes their caches and gives a line for each as it is done. */
export type CompressDocuments = (
  documents: readonly OpenDocument[],
  options: Pick<CompressFolderOptions, "model" | "settings" | "adapter" | "signal">,
) => AsyncIterable<DocumentLine>;

export interface CompressedFolder {
  /** One for each document, in the order of their paths. */
  readonly lines: readonly DocumentLine[];
  /** Documents whose caches were there before. */
  readonly before: number;
}

/**
 * Compresses every text of a folder to a folder of caches. A document that fails is listed and holds up no other. documents.jsonl grows line by line and is
 * sorted at the end.
 * @throws KvDistillError `bad-argument` for a folder without texts, or caches made with other settings; `cancelled`, to be resumed; `disk`,
 * `not-found`
 */
export async function compressFolder(options: CompressFolderOptions): Promise<CompressedFolder> {
  const { model, from, out, settings, adapter, resume = false, onProgress, onNote } = options;
  const { documents, others } = await listDocuments(from, out);
  if (documents.length === 0) {
    throw new KvDistillError("bad-argument", "the folder has no texts", { where: from, got: `${others.length} files` });
  }
  if (others.length > 0) onNote?.(`${others.length} files are no texts by their names: ${others[0] ?? ""} …`);
  await makeFolder(out);
  const identity: FolderIdentity = {
    version: 1,
    settings,
    modelHash: model.files.hash,
    tokenizerHash: model.files.tokenizerHash,
    ...(model.precision === "fp32" ? {} : { precision: model.precision }),
    adapterHash: settings.method === "kv-distill" && adapter !== undefined ? adapter.hash : "none",
  };
  await checkFolderConfig(join(out, CONFIG_FILE), identity, resume);
  const file = await openLineFile(join(out, LINES_FILE));
  try {
    const lines = await linesThatHold(file, from, out, new Set(documents));
    const before = lines.size;
    onProgress?.(before, documents.length, undefined);
    const open = documents.filter((name) => !lines.has(name));
    for await (const line of measureAll(open, options)) {
      await file.append([JSON.stringify(line)]);
      lines.set(line.document, line);
      onProgress?.(lines.size, documents.length, line);
    }
    const sorted = documents.flatMap((name) => lines.get(name) ?? []);
    await writeFileAtomic(
      join(out, LINES_FILE),
      Buffer.from(sorted.map((line) => `${JSON.stringify(line)}\n`).join("")),
    );
    return { lines: sorted, before };
  } finally {
    await file.close();
  }
}

async function* measureAll(
  names: readonly string[],
  { from, out, compress = compressHere, ...options }: CompressFolderOptions,
): AsyncGenerator<DocumentLine, void, undefined> {
  const open: OpenDocument[] = [];
  for (const name of names) {
    const path = join(out, cacheNameOf(name));
    await makeFolder(dirname(path));
    open.push({ name, path, text: () => readTextFile(join(from, name), MAX_TEXT_BYTES) });
  }
  if (open.length > 0) yield* compress(open, options);
}

async function* compressHere(
  documents: readonly OpenDocument[],
  { model, settings, adapter, signal }: Parameters<CompressDocuments>[1],
): AsyncGenerator<DocumentLine, void, undefined> {
  for (const { name, text: read, path } of documents) {
    if (signal?.aborted === true) throw new KvDistillError("cancelled", "compressing was stopped");
    let digest: string | null = null;
    try {
      const text = await read();
      digest = textDigest(text);
      const facts = await compressDocument(model, text, settings, adapter, path, signal);
      yield { document: name, text: digest, cache: cacheNameOf(name), ...facts };
    } catch (error) {
      // A full disk would fail all that follow.
      if (isCancelled(error) || isMachineFault(error)) throw error;
      yield { document: name, text: digest, failure: failureOf(error) };
    }
  }
}

function isCancelled(error: unknown): boolean {
  return isKvDistillError(error) && error.code === "cancelled";
}

/** Lines of caches that are there and whose documents have not changed, by document. */
async function linesThatHold(
  file: LineFile,
  from: string,
  out: string,
  documents: ReadonlySet<string>,
): Promise<Map<string, DocumentLine>> {
  const lines = new Map<string, DocumentLine>();
  for (const [i, text] of file.text.split("\n").slice(0, -1).entries()) {
    const line = parseDocumentLine(text, `${join(out, LINES_FILE)}:${i + 1}`);
    // The last word on a document counts; one that failed is tried again.
    lines.delete(line.document);
    if (documents.has(line.document) && !("failure" in line)) lines.set(line.document, line);
  }
  for (const [name, line] of lines) {
    const there = "cache" in line && (await pathExists(join(out, line.cache)));
    const text = there ? await readTextFile(join(from, name), MAX_TEXT_BYTES).catch(() => undefined) : undefined;
    if (text === undefined || textDigest(text) !== line.text) lines.delete(name);
  }
  return lines;
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw diskError(error, path, "cannot make the folder");
  });
}
