import { createInterface } from "node:readline";
import { keyValueBytes, type KvCache } from "../../cache/kv-cache.ts";
import { describeKvd, loadKvd } from "../../cache/load-kvd.ts";
import { answer, fullCache, readingCache } from "../../generate/generate.ts";
import { contextLimit } from "../../models/config.ts";
import { FUSED_FROM, type LanguageModel } from "../../models/language-model.ts";
import type { LayerCache } from "../../models/layer-cache.ts";
import { isModelName, pulledFolder } from "../../models/loading/resolve.ts";
import { passagePromptOf } from "../../models/load-model.ts";
import { QUESTION_STYLES, type QuestionStyle } from "../../models/passage-prompt.ts";
import { formatDuration } from "../../util/format.ts";
import { pathExists } from "../../util/path-exists.ts";
import { printable } from "../../util/printable.ts";
import { speedText, startAnswerMeter } from "../answer-meter.ts";
import { type AnswerFacts, comparisonRows, type ReaderFacts } from "../ask/comparison.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { printTable } from "../print-table.ts";
import { samplingOf, samplingOptions } from "../sampling-options.ts";
import { DEFAULT_MODEL, jsonOption, readingOptions } from "../shared-options.ts";
import { argument, option, optionalArgument, optionOr, type OptionValues, text } from "../spec.ts";
import { choice } from "../values/choice.ts";

const STYLES = Object.keys(QUESTION_STYLES) as QuestionStyle[];

const options = {
  style: optionOr("--style <style>", `how the question is put: ${STYLES.join(", ")}`, choice(STYLES), "plain"),
  compare: option(
    "--compare <with>",
    "full: also answer from the full cache of the same text, side by side",
    choice(["full"]),
  ),
  ...samplingOptions,
  ...readingOptions,
  model: option(
    "--model <name|path>",
    `pulled model, Hugging Face folder or .gguf file (default: the cache's, if it was pulled, or ${DEFAULT_MODEL})`,
    text,
  ),
  json: jsonOption,
} as const;

export const ask = defineCommand({
  name: "ask",
  summary: "answers from a cache file, as often as you like",
  description:
    "Streams the answer to a question about a compressed text. Without a question, reads questions from stdin, one a line: the " +
    "cache is loaded once and every question stands for itself.",
  arguments: {
    file: argument("file", ".kvd file"),
    question: optionalArgument("question", "what to answer; without it, questions come from stdin"),
  },
  options,
  examples: [
    ['ask report.kvd "What was decided?"', "streams the answer"],
    ['ask report.kvd "Who signed it?" --compare full', "and the full cache's beside it, with memory and time"],
    ["ask report.kvd", "asks for questions, until Ctrl-D"],
    ["ask report.kvd --json < questions.txt", "a line of JSON for every line"],
  ],
  check: ({ arguments: { question } }) => (question?.trim() === "" ? ["the question is empty"] : []),
  run: async ({ options: own, arguments: { file, question } }, context) => {
    const model = own.model ?? (await pulledModelOf(file)) ?? DEFAULT_MODEL;
    await useModel({ ...own, model }, context, async (loaded) => {
      const readers = await openReaders(loaded, file, own.compare === "full", context);
      try {
        const questions = question === undefined ? questionsFrom(context) : [question];
        for await (const each of questions) await answerOne(loaded, readers, each, own, context);
      } finally {
        for (const { rows } of readers) rows.release();
      }
    });
  },
});

/** Rows that answer, and what came before they could. */
interface Reader extends ReaderFacts {
  readonly rows: LayerCache;
}

/** The pulled model that a cache names. A name out of a file is never taken for a path. */
async function pulledModelOf(file: string): Promise<string | undefined> {
  const { modelName } = (await describeKvd(file)).provenance;
  return isModelName(modelName) && (await pathExists(pulledFolder(modelName))) ? modelName : undefined;
}

async function openReaders(
  model: LanguageModel,
  file: string,
  withFull: boolean,
  { signal }: CommandContext,
): Promise<Reader[]> {
  const readers: Reader[] = [];
  const add = async (name: string, open: () => Promise<LayerCache>): Promise<void> => {
    const begun = performance.now();
    const rows = await open();
    const secondsToOpen = (performance.now() - begun) / 1000;
    const memoryBytes = keyValueBytes(model.config, rows.heldRows, Float32Array.BYTES_PER_ELEMENT);
    readers.push({ name, rows, tokens: rows.heldRows, memoryBytes, secondsToOpen });
  };
  const load = (): Promise<KvCache> => loadKvd(file, { expectModel: model.files });
  try {
    if (withFull) await warmUp(model);
    await add("compressed", async () => readingCache(model, await load()));
    if (withFull) {
      const cache = await load();
      await add("full", () => fullCache(model, cache, signal));
    }
    return readers;
  } catch (error) {
    for (const { rows } of readers) rows.release();
    throw error;
  }
}

/** Compiles what reading and answering use, so that a comparison does not charge it to whoever comes first. */
async function warmUp(model: LanguageModel): Promise<void> {
  // One token, and so many that the fused kernel reads them.
  for (const length of [1, FUSED_FROM]) {
    if (length > contextLimit(model.config)) continue;
    const ids = new Array<number>(length).fill(0);
    const rows = await model.newCache();
    try {
      await model.forward({ ids, cache: rows });
      rows.truncate(0, 0);
      await model.forward({ ids, cache: rows, logitRows: [0] });
    } finally {
      rows.release();
    }
  }
}

async function answerOne(
  model: LanguageModel,
  readers: readonly Reader[],
  question: string,
  own: OptionValues<typeof options>,
  context: CommandContext,
): Promise<void> {
  const { out, log } = context;
  const streaming = !own.json && readers.length === 1;
  const write = (piece: string): void => {
    out.write(piece);
  };
  const answers: AnswerFacts[] = [];
  for (const reader of readers) {
    answers.push(await readAnswer(model, reader, question, own, context.signal, streaming ? write : undefined));
  }
  for (const { finish, reader } of answers) {
    if (finish === "length")
      log.warn(`the ${reader.name} cache's answer was stopped after ${own.maxTokens} tokens (--max-tokens)`);
  }
  const [first] = answers;
  if (own.json) out.json(jsonOf(question, answers));
  else if (!streaming)
    printTable(out, ["", ...answers.map(({ reader }) => `${reader.name} cache`)], comparisonRows(answers));
  else if (first !== undefined)
    log.info(`${speedText(first.speed)}; cache ready in ${formatDuration(first.reader.secondsToOpen)}`);
}

/** @param write gets the answer as it comes, made printable, and its end of line */
async function readAnswer(
  model: LanguageModel,
  reader: Reader,
  question: string,
  own: OptionValues<typeof options>,
  signal: AbortSignal,
  write: ((piece: string) => void) | undefined,
): Promise<AnswerFacts> {
  const { maxTokens, seed } = own;
  const promptIds = passagePromptOf(model.files, own.style).questionIds(question);
  const meter = startAnswerMeter(promptIds.length);
  const pieces = answer(model, reader.rows, promptIds, {
    maxTokens,
    sampling: samplingOf(own),
    seed,
    onToken: () => {
      meter.token();
    },
    signal,
  });
  let given = "";
  try {
    let next = await pieces.next();
    for (; next.done !== true; next = await pieces.next()) {
      given += next.value;
      write?.(printable(next.value));
    }
    return { text: given, finish: next.value, speed: meter.speed(), reader };
  } finally {
    if (!given.endsWith("\n")) write?.("\n");
  }
}

function jsonOf(question: string, answers: readonly AnswerFacts[]): object {
  const [compressed, full] = answers.map(({ text: own, finish, speed, reader }) => ({
    answer: own,
    finish,
    ...speed,
    cache: { tokens: reader.tokens, memoryBytes: reader.memoryBytes, secondsToOpen: reader.secondsToOpen },
  }));
  return { question, ...compressed, ...(full === undefined ? {} : { full }) };
}

/** Lines of stdin that are not blank; on a terminal each is asked for. */
async function* questionsFrom({ signal }: CommandContext): AsyncGenerator<string, void, undefined> {
  const { stdin, stderr } = process;
  const asking = stdin.isTTY;
  const lines = createInterface({
    input: stdin,
    ...(asking ? { output: stderr } : {}),
    terminal: asking,
    crlfDelay: Infinity,
  });
  const close = (): void => {
    lines.close();
  };
  // On a terminal the line editor takes Ctrl-C for itself.
  lines.on("SIGINT", () => void process.kill(process.pid, "SIGINT"));
  signal.addEventListener("abort", close, { once: true });
  try {
    if (asking) lines.setPrompt("question (Ctrl-D ends): ");
    if (asking) lines.prompt();
    for await (const line of lines) {
      if (line.trim() !== "") yield line;
      if (asking) lines.prompt();
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}
