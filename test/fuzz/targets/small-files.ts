import { readBaseline } from "../../../src/bench/baseline.ts";
import { csvRecords } from "../../../src/evaluate/report/csv-records.ts";
import { keepFraction } from "../../../src/compress/keep-text.ts";
import { parseMessages } from "../../../src/models/chat-context.ts";
import { encodeMarked } from "../../../src/models/marked-span.ts";
import { hubModel } from "../../../src/models/pull/hub/model-info.ts";
import { hostName } from "../../../src/server/access/hosts.ts";
import { parseTokens } from "../../../src/server/access/tokens.ts";
import { parseStrictJson } from "../../../src/util/strict-json.ts";
import { decodeUtf8 } from "../../../src/util/utf8.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { bytesCase, filesCase } from "../make/case.ts";
import { printTree, treeOf } from "../make/json-tree.ts";
import { mutateJson } from "../make/text.ts";
import { must, type Target } from "../target.ts";

/** JSON as every strict reader takes it: what is accepted is what `JSON.parse` gives, without what it hides. */
export const strictJson: Target = {
  name: "strict-json",
  share: 120,
  open: () => {
    const tree = treeOf({ a: [1, { b: null, é: '\ud83d\ude00\\"' }], c: { d: { e: [[], {}] } }, f: -1.5e3, g: true });
    const check = (bytes: Uint8Array): void => {
      const text = decodeUtf8(bytes, "file");
      const value = parseStrictJson(text, "file", { maxDepth: 5, maxKeys: 12 });
      must(JSON.stringify(value) === JSON.stringify(JSON.parse(text)), "another value than JSON.parse gives");
      must(keysOf(value) <= 12, "more keys than allowed");
    };
    return Promise.resolve({
      make: (dice) => bytesCase(mutateJson(tree, dice), check),
      edges: function* () {
        for (const bytes of damages(Buffer.from(printTree(tree)))) yield bytesCase(bytes, check);
      },
      close: () => Promise.resolve(),
    });
  },
};

function keysOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, inner: unknown) => sum + keysOf(inner), own);
}

type Reader = (bytes: Uint8Array) => Promise<void> | void;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const HUB = {
  sha: "0".repeat(40),
  siblings: [
    { rfilename: "config.json", size: 3, blobId: "1".repeat(40) },
    { rfilename: "a/b.safetensors", lfs: { size: 9, sha256: "2".repeat(64) } },
  ],
  cardData: { license: "mit" },
};
const MESSAGES = [
  { role: "system", content: "a" },
  { role: "user", content: "x <|kv-distill|>y<|/kv-distill|> z" },
];

/** Small inputs: messages, a list of tokens, a baseline, marks, budgets, Host headers, CSV, the hub's answers. */
export const smallFiles: Target = {
  name: "small-files",
  share: 55,
  open: (scratch) => {
    const baseline = { note: "n", tolerance: 0.1, ratios: { "a b": 1.5, c: 2 } };
    const readers: readonly (readonly [sample: unknown, read: Reader])[] = [
      [
        MESSAGES,
        (bytes) => {
          for (const { content } of parseMessages(
            parseStrictJson(text(bytes), "messages", { maxDepth: 8, maxKeys: 1000 }),
            "messages",
          ))
            must(typeof content === "string", "no text");
        },
      ],
      [
        HUB,
        async (bytes) => {
          await withAnswer(bytes, async () => {
            const retry = { attempts: 1, seconds: 0, stallSeconds: 5 } as never;
            const { files, commit } = await hubModel(
              { url: "http://hub.invalid", headers: {} } as never,
              "a/b",
              "main",
              { retry, signal: undefined, reporter: {} },
            );
            must(/^[0-9a-f]{40}$/.test(commit), "no commit");
            for (const { size } of files.values()) must(Number.isSafeInteger(size) && size >= 0, "a size that is none");
          });
        },
      ],
    ];
    const plain: readonly (readonly [sample: string, read: Reader])[] = [
      [
        "alice-0123456789abcdef\nbob-0123456789abcdefgh\n",
        (bytes) => {
          must(parseTokens(text(bytes), "tokens").length > 0, "no tokens");
        },
      ],
      [
        "5%",
        (bytes) => {
          const part = keepFraction(text(bytes));
          must(part > 0 && part <= 1, `a part of ${part}`);
        },
      ],
      [
        "0.25",
        (bytes) => {
          const part = keepFraction(text(bytes));
          must(part > 0 && part <= 1, `a part of ${part}`);
        },
      ],
      [
        "[::1]:8080",
        (bytes) => {
          must(!/[/@\s\\]/.test(hostName(text(bytes)) ?? ""), "a name that is none");
        },
      ],
      [
        "a <|kv-distill|>b<|/kv-distill|> c",
        (bytes) => {
          const encodeParts = (parts: readonly { readonly text: string }[]): number[] =>
            Array.from(parts.map((part) => part.text).join(""), (_, i) => i);
          const { ids, span } = encodeMarked([{ text: text(bytes), special: "plain" }], { encodeParts });
          must(span.start >= 0 && span.end > span.start && span.end <= ids.length, "a span outside the text");
        },
      ],
      [
        'a,"b ""c""",\r\n1,,"x\ny"\n',
        async (bytes) => {
          const pieces = async function* () {
            await Promise.resolve();
            yield text(bytes).slice(0, 3);
            yield text(bytes).slice(3);
          };
          for await (const record of csvRecords(pieces(), "csv")) must(record.length > 0, "a record without cells");
        },
      ],
    ];
    const trees = readers.map(([sample, read]) => ({ tree: treeOf(sample), read }));
    const baselineTree = treeOf(baseline);
    const checkBaseline = (bytes: Uint8Array) =>
      filesCase(scratch, { "baseline.json": bytes }, async (folder) => {
        for (const ratio of Object.values((await readBaseline(`${folder}/baseline.json`)).ratios))
          must(ratio > 0 && ratio < Infinity, "a ratio that is none");
      });
    return Promise.resolve({
      make: (dice) => {
        if (dice.chance(0.1)) return checkBaseline(mutateJson(baselineTree, dice));
        if (dice.chance(0.5)) {
          const { tree, read } = dice.pick(trees);
          return bytesCase(mutateJson(tree, dice), read);
        }
        const [sample, read] = dice.pick(plain);
        return bytesCase(mutateBytes(Buffer.from(sample), dice), read);
      },
      edges: function* () {
        for (const [sample, read] of plain)
          for (const bytes of damages(Buffer.from(sample))) yield bytesCase(bytes, read);
        for (const { tree, read } of trees)
          for (const bytes of damages(Buffer.from(printTree(tree)))) yield bytesCase(bytes, read);
      },
      close: () => Promise.resolve(),
    });
  },
};

/** Lets the hub answer with these bytes. */
async function withAnswer(bytes: Uint8Array, work: () => Promise<void>): Promise<void> {
  const before = globalThis.fetch;
  globalThis.fetch = () => Promise.resolve(new Response(Buffer.from(bytes)));
  try {
    await work();
  } finally {
    globalThis.fetch = before;
  }
}
