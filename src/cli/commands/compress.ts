import { keyValueBytes, slotsOf } from "../../cache/kv-cache.ts";
import { loadAdapter } from "../../cache/load-adapter.ts";
import { saveKvd } from "../../cache/save-kvd.ts";
import { compress as compressText, type Keep } from "../../compress/compress-text.ts";
import { FOLD_TOKENS } from "../../compress/fold.ts";
import { checkExportable } from "../../compress/exportable.ts";
import { methodNamed, SAVED_METHOD_NAMES } from "../../compress/methods/index.ts";
import { parseMessages } from "../../models/chat-context.ts";
import { isMarked, SPAN_END, SPAN_START } from "../../models/marked-span.ts";
import type { PromptMessage } from "../../models/passage-prompt.ts";
import { KvDistillError } from "../../util/errors.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import { compressDocuments } from "../compress/folder.ts";
import { compressFacts, compressRows } from "../compress/facts.ts";
import { showCompression } from "../compress/display.ts";
import { outputPath } from "../compress/output-path.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { printTable } from "../print-table.ts";
import { openAdapter, useModel } from "../model.ts";
import { isFolder } from "../path-kind.ts";
import { linkSettings, queueFaults, queueOptions } from "../queue-options.ts";
import { readInput } from "../read-input.ts";
import { adapterOption, jsonOption, readingOptions } from "../shared-options.ts";
import { flag, type OptionValues, option, optionalArgument, optionOr, text } from "../spec.ts";
import { byteSize } from "../values/byte-size.ts";
import { choice } from "../values/choice.ts";
import { keepFraction } from "../values/keep.ts";
import { seed, wholeNumber } from "../values/whole-number.ts";

const options = {
  keep: option("--keep <part>", "how much to keep of the tokens: 5% or 0.05", keepFraction),
  tokens: option("--tokens <n>", "how many tokens to keep", wholeNumber()),
  bytes: option("--bytes <size>", "how much to keep, in bytes of keys and values as stored (F16): 2MB", byteSize),
  output: option(
    "-o, --output <path>",
    "the cache file (default: FILE with .kvd for its extension), or folder of caches",
    text,
  ),
  method: optionOr("--method <name>", SAVED_METHOD_NAMES.join(", "), choice(SAVED_METHOD_NAMES), "kv-distill"),
  adapter: { ...adapterOption, description: `${adapterOption.description}; default: the package's own for this model` },
  fold: flag("--fold", "compress fold by fold; for texts longer than the model reads"),
  foldTokens: option(
    "--fold-tokens <n>",
    `longest fold (default: ${FOLD_TOKENS}, the paper's); implies --fold`,
    wholeNumber(),
  ),
  exportable: flag("--exportable", "heads keep equally many rows, as other programs need them (export)"),
  marked: flag("--marked", `compress only the part of FILE between ${SPAN_START} and ${SPAN_END}, keep the rest whole`),
  messages: option("--messages <file>", "a conversation instead of a text: JSON messages, a part of them marked", text),
  seed: optionOr("--seed <n>", "for methods that draw", seed, 0),
  resume: flag("--resume", "a folder of documents: go on with the caches that are there"),
  ...readingOptions,
  ...queueOptions,
  json: jsonOption,
} as const;

export const compress = defineCommand({
  name: "compress",
  summary: "a text to a small cache file that can be asked again and again",
  description:
    "Reads a text once and writes a .kvd file: the rows of the model's key/value cache that matter. What is obtained is what was " +
    "asked for, exactly. A template header in front of the text counts as text. Special tokens written in the text are letters.\n\n" +
    'A conversation is a JSON list of {"role": "system" | "user" | "assistant", "content": text}; its last message is the user\'s and ' +
    `is continued by the question. The part between ${SPAN_START} and ${SPAN_END} is compressed, all else is kept whole; the budget is ` +
    "for that part. Tokens do not reach across the marks.\n\n" +
    "A folder of documents becomes a folder of caches, named by -o: every text in it by its ending, DOCUMENT.kvd each. A document that " +
    "fails is listed in documents.jsonl and holds up no other. With --queue other machines do the work (docs/distributing.md).",
  arguments: { file: optionalArgument("file", "text file, UTF-8, or folder of them; - reads stdin") },
  options,
  examples: [
    ["compress report.txt --keep 5%", "writes report.kvd"],
    ["compress - --tokens 64 -o notes.kvd < notes.txt", "64 tokens of a text from stdin"],
    ["compress book.txt --bytes 2MB --fold", "a text longer than the model reads, fold by fold"],
    ["compress --messages chat.json --keep 10%", "the marked part of a conversation"],
    ["compress report.txt --keep 25% --method streaming", "without an adapter"],
    ["compress report.txt --keep 25% --exportable", "for llama.cpp, transformers, transformers.js, mlx"],
    ["compress report.txt --keep 5% --precision int8", "in 8 bits: sooner done, a little less exact"],
    ["compress reports --keep 10% -o caches", "every text of a folder"],
    ["compress reports --keep 10% -o caches --queue redis://10.0.0.5 --store /mnt/shared", "by the workers of a queue"],
  ],
  check: ({ options: own, arguments: { file } }) => [
    ...([own.keep, own.tokens, own.bytes].filter((budget) => budget !== undefined).length === 1
      ? []
      : ["give one of --keep, --tokens and --bytes"]),
    ...((file === undefined) === (own.messages === undefined) ? ["give either a file or --messages"] : []),
    ...(own.marked && own.messages !== undefined ? ["--marked: messages are always marked"] : []),
    ...(own.adapter !== undefined && own.method !== "kv-distill" ? [`--adapter: ${own.method} takes none`] : []),
    ...(own.precision === "int4" ? ["--precision: int4 is for answers; compressing reads, in fp32 or int8"] : []),
    ...queueFaults(own),
    ...(own.output === undefined && (own.messages ?? file) === "-" ? ["-o, --output <file>: needed for stdin"] : []),
  ],
  run: async ({ options: own, arguments: { file } }, context) => {
    if (file !== undefined && file !== "-" && (await isFolder(file))) {
      await compressAll(file, own, context);
      return;
    }
    if (own.queue !== undefined || own.resume) {
      const what = own.resume ? "--resume" : "--queue";
      throw new KvDistillError("bad-argument", "only a folder of documents is compressed like that", { where: what });
    }
    const from = own.messages ?? file ?? "-";
    const path = own.output ?? outputPath(from);
    const given =
      own.messages === undefined ? await readText(from, own.marked, context) : await readMessages(from, context);
    const adapter = own.adapter === undefined ? undefined : await loadAdapter(own.adapter);
    await useModel(own, context, async (model) => {
      const display = showCompression(context.log, own.json);
      const begun = performance.now();
      const cache = await compressText(model, given, {
        keep: askedOf(own),
        method: own.method,
        ...(adapter === undefined ? {} : { adapter }),
        exportable: own.exportable,
        marked: own.marked,
        fold: own.foldTokens ?? own.fold,
        seed: own.seed,
        signal: context.signal,
        ...display.listeners,
      }).finally(display.stop);
      const seconds = (performance.now() - begun) / 1000;
      if (context.signal.aborted) throw new KvDistillError("cancelled", "compressing was cancelled");
      const fileBytes = await saveKvd(path, cache);
      const keyValue = keyValueBytes(model.config, slotsOf(cache), 2);
      const facts = compressFacts(cache, { path, fileBytes, keyValue, seconds, folds: display.folds() });
      if (own.json) context.out.json(facts);
      else printTable(context.out, ["", "asked", "obtained"], compressRows(facts));
    });
  },
});

/** @throws KvDistillError `bad-argument` without a folder for the caches; as `compressDocuments` */
async function compressAll(from: string, own: OptionValues<typeof options>, context: CommandContext): Promise<void> {
  if (own.output === undefined) {
    throw new KvDistillError("bad-argument", "a folder of documents needs one for its caches", {
      where: from,
      hint: "name it with -o",
    });
  }
  const { output: out, method, marked, seed: seedOf, resume, json, shard } = own;
  const settings = { keep: askedOf(own), method, fold: own.foldTokens ?? own.fold, marked, seed: seedOf };
  await useModel(own, context, async (model) => {
    const adapter = method === "kv-distill" ? await openAdapter(model, own.adapter, own) : undefined;
    const work = { from, out, settings, resume, json, link: linkSettings(own), shard };
    try {
      if (own.exportable) checkExportable(methodNamed(method, adapter));
      await compressDocuments(model, adapter, work, context);
    } finally {
      adapter?.release();
    }
  });
}

function askedOf({ keep, tokens, bytes }: Pick<OptionValues<typeof options>, "keep" | "tokens" | "bytes">): Keep {
  if (keep !== undefined) return keep;
  return tokens === undefined ? { bytes: bytes ?? 0 } : { tokens };
}

async function readText(from: string, marked: boolean, { log, signal }: CommandContext): Promise<string> {
  const given = await readInput(from, signal);
  if (given.trim() === "") {
    throw new KvDistillError("bad-argument", "the text is empty", { where: from === "-" ? "stdin" : from });
  }
  if (!marked && isMarked(given)) log.warn(`the text holds ${SPAN_START}; it is read as a mark with --marked only`);
  return given;
}

async function readMessages(from: string, { signal }: CommandContext): Promise<readonly PromptMessage[]> {
  const where = from === "-" ? "stdin" : from;
  return parseMessages(
    parseStrictJson(await readInput(from, signal), where, { maxDepth: 8, maxKeys: 1_000_000 }),
    where,
  );
}
