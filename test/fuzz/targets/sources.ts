import { gzipSync } from "node:zlib";
import { readTokenTriples } from "../../../src/data/read-token-triples.ts";
import { readRows } from "../../../src/data/read-rows.ts";
import { evaluationTexts } from "../../../src/data/prepare/evaluation-texts.ts";
import { SOURCE_NAMES, sourceNamed } from "../../../src/data/sources/index.ts";
import type { ParquetPatience } from "../../../src/data/sources/read/parquet-rows.ts";
import { HEAP } from "../../../src/data/sources/read/parquet-thread.ts";
import { scoredSquad } from "../../../src/data/sources/scored-squad.ts";
import { PUBLISHED } from "../../data/sources/published.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { type Files, filesCase, golden } from "../make/case.ts";
import type { Dice } from "../make/dice.ts";
import { hostileText } from "../make/hostile.ts";
import { mutateTree, printTree, type Tree, treeOf } from "../make/json-tree.ts";
import { mutateParts, partsBytes } from "../make/parts.ts";
import { zipParts } from "../make/zip-parts.ts";
import { type Case, must, type Target } from "../target.ts";

interface Sample {
  readonly source: string;
  readonly trees: readonly Tree[];
  readonly form: "lines" | "array" | "document";
}

/** Files of every data source: lines, arrays and documents, plain, gzip and zip. */
export const sources: Target = {
  name: "data-sources",
  share: 20,
  open: (scratch) => {
    const samples = SOURCE_NAMES.flatMap((source): Sample[] => {
      const published = PUBLISHED[source];
      return published === undefined ? [] : [{ source, trees: published.records.map(treeOf), form: published.form }];
    });
    must(samples.length === SOURCE_NAMES.length, "a source has no sample");
    const make = (source: string, files: Files) => filesCase(scratch, files, (folder) => checkSource(source, folder));
    return Promise.resolve({
      make: (dice) => {
        const sample = dice.pick(samples);
        return make(dice.chance(0.9) ? sample.source : dice.pick(SOURCE_NAMES), packed(text(sample, dice), dice));
      },
      edges: function* () {
        const rows = Buffer.from(`${printTree(samples[0]?.trees[0] ?? treeOf({}))}\n`);
        for (const bytes of damages(rows)) yield make("triples", { "rows.jsonl": bytes });
        for (const bytes of damages(gzipSync(rows))) yield make("triples", { "rows.jsonl.gz": bytes });
        for (const bytes of damages(partsBytes(zipParts("rows.jsonl", rows))))
          yield make("triples", { "rows.zip": bytes });
      },
      close: () => Promise.resolve(),
    });
  },
};

function text({ trees, form }: Sample, dice: Dice): Uint8Array {
  const written = trees.map((tree) => printTree(dice.chance(0.7) ? mutateTree(tree, dice) : tree));
  const shape = dice.chance(0.85) ? form : dice.pick(["lines", "array", "document"] as const);
  const joined =
    shape === "array"
      ? `[${written.join(",\n")}]`
      : shape === "document"
        ? written.join("\n").replace("{", "{\n")
        : `${written.join("\n")}\n`;
  const bytes = Buffer.from(
    dice.chance(0.05) ? dice.pick(["\ufeff", "\u00ff\u00fe", " \n", "[", hostileText(dice)]) + joined : joined,
  );
  return dice.chance(0.15) ? mutateBytes(bytes, dice) : bytes;
}

function packed(bytes: Uint8Array, dice: Dice): Files {
  if (dice.chance(0.6)) return { "rows.json": bytes };
  if (dice.chance(0.5)) {
    const zipped = gzipSync(bytes, { level: 1 });
    return { "rows.jsonl.gz": dice.chance(0.7) ? mutateBytes(zipped, dice) : zipped };
  }
  const name = dice.chance(0.7)
    ? "rows.jsonl"
    : dice.pick(["../x.json", "/x.json", "a/../../x.jsonl", `${hostileText(dice)}.json`, "x.parquet", "x.zip"]);
  const parts = zipParts(name, bytes);
  return { "rows.zip": partsBytes(dice.chance(0.8) ? mutateParts(parts, dice) : parts) };
}

async function checkSource(name: string, folder: string, parquetPatience?: ParquetPatience): Promise<void> {
  const longest = (fault: string): void => {
    must(fault.length < 40_000, `a fault of ${fault.length} characters`);
  };
  const notes = {
    onFault: ({ fault }: { readonly fault: string }) => {
      longest(fault);
    },
    onDamaged: ({ fault }: { readonly fault: string }) => {
      longest(fault);
    },
    onUnused: () => undefined,
    parquetPatience,
  };
  for await (const { id, source, licence, context, question, answers } of sourceNamed(name).read(folder, notes)) {
    must(
      [id, source, licence].every((part) => typeof part === "string"),
      "a row without id, source or licence",
    );
    must(
      [context, question, ...answers].every((part) => typeof part === "string" && part.trim() !== ""),
      "a row with a blank part",
    );
    must(answers.length > 0, "a row without answers");
  }
}

/** Some files keep the reader busy until its thread is ended: after a minute and more in use, here after so many seconds. */
const PATIENCE: ParquetPatience = { footer: 5, group: 5 };
/** Of the damages of a parquet file one in so many is tried. */
const DAMAGES_APART = 24;

/** Parquet files: footer, page headers and pages of every compression. */
export const parquet: Target = {
  name: "parquet",
  share: 5,
  open: (scratch) => {
    const [brotli, squad] = [golden("data-sources/p3-brotli.parquet"), golden("data-sources/squad.parquet")];
    const packings = ["none", "snappy", "gzip", "lz4", "zstd"];
    const others = [squad, ...packings.map((kind) => golden(`data-sources/p3-${kind}.parquet`))];
    const make = (bytes: Uint8Array): Case => ({
      ...filesCase(scratch, { "rows.parquet": bytes }, (folder) =>
        checkSource(bytes.length % 2 === 0 ? "p3" : "squad", folder, PATIENCE),
      ),
      thread: { milliseconds: 1000 * (PATIENCE.footer + PATIENCE.group), growth: HEAP * 2 ** 20 },
    });
    return Promise.resolve({
      // Unpacking brotli takes twenty times as long as all else.
      make: (dice) => make(mutateParquet(dice.chance(0.05) ? brotli : dice.pick(others), dice)),
      edges: function* () {
        let place = 0;
        for (const bytes of damages(squad)) if (place++ % DAMAGES_APART === 0) yield make(bytes);
      },
      close: () => Promise.resolve(),
    });
  },
};

/** Numbers of Thrift's compact protocol: seven bits a byte. */
const VARINTS = [
  [0],
  [1],
  [2],
  [0x7f],
  [0xff, 0x7f],
  [0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x08],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

/** A number replaced in the footer or in a page header; the footer's length is made right again, most of the time. */
function mutateParquet(file: Uint8Array, dice: Dice): Uint8Array {
  if (dice.chance(0.2)) return mutateBytes(file, dice);
  const length = new DataView(file.buffer, file.byteOffset).getUint32(file.length - 8, true);
  const footer = file.length - 8 - length;
  let front = Buffer.from(file.subarray(0, footer));
  let meta = Buffer.from(file.subarray(footer, file.length - 8));
  for (let edits = dice.few(); edits > 0; edits--) {
    const value = Buffer.from(dice.pick(VARINTS));
    if (dice.chance(0.6)) {
      const at = dice.below(meta.length + 1);
      meta = Buffer.concat([meta.subarray(0, at), value, meta.subarray(at + (dice.chance(0.8) ? 1 : value.length))]);
    } else {
      const at = dice.below(dice.chance(0.5) ? Math.min(64, front.length) : front.length);
      // Pages stay where the footer says they are.
      front = Buffer.concat([front.subarray(0, at), value, front.subarray(at + value.length)]);
    }
  }
  const tail = Buffer.from(file.subarray(file.length - 8));
  if (dice.chance(0.9)) tail.writeUInt32LE(meta.length, 0);
  return Buffer.concat([front, meta, tail]);
}

/** Readers of single files beside the sources. */
export const rowReaders: Target = {
  name: "row-readers",
  share: 25,
  open: (scratch) => {
    const rows = PUBLISHED.triples?.records.map(treeOf) ?? [];
    const tokens = [treeOf({ context_ids: [1, 2, 3], question_ids: [4], answer_ids: [5, 6] })];
    const squad = PUBLISHED.squad?.records.map(treeOf) ?? [];
    const readers: readonly (readonly [
      trees: readonly Tree[],
      read: (path: string) => AsyncIterable<object | string>,
    ])[] = [
      [rows, (path) => readRows(path, () => undefined)],
      [tokens, (path) => readTokenTriples(path, () => undefined)],
      [squad, (path) => scoredSquad(path, () => undefined)],
      [squad, (path) => evaluationTexts(path, () => undefined)],
    ];
    const make = (read: (path: string) => AsyncIterable<object | string>, bytes: Uint8Array) =>
      filesCase(scratch, { "rows.jsonl": bytes }, async (folder) => {
        for await (const value of read(`${folder}/rows.jsonl`)) checkNumbers(value);
      });
    return Promise.resolve({
      make: (dice) => {
        const [trees, read] = dice.pick(readers);
        const bytes = Buffer.from(`${trees.map((tree) => printTree(mutateTree(tree, dice))).join("\n")}\n`);
        return make(read, dice.chance(0.1) ? mutateBytes(bytes, dice) : bytes);
      },
      edges: function* () {
        for (const bytes of damages(Buffer.from(printTree(tokens[0] ?? treeOf({})))))
          yield make((path) => readTokenTriples(path, () => undefined), bytes);
      },
      close: () => Promise.resolve(),
    });
  },
};

/** Ids are whole numbers, whatever else a value holds. */
function checkNumbers(value: object | string): void {
  if (typeof value === "string" || !("contextIds" in value)) return;
  must(
    Array.isArray(value.contextIds) && value.contextIds.every((id) => Number.isSafeInteger(id) && id >= 0),
    "an id that is none",
  );
}
