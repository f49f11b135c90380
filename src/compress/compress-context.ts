import type { Adapter } from "../cache/adapter.ts";
import type { AskedKeep, KvCache } from "../cache/kv-cache.ts";
import { chatContext } from "../models/chat-context.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { passagePromptOf } from "../models/passage-prompt-of.ts";
import { type ContextTokens, encodeMarked } from "../models/marked-span.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { givenText, type PromptMessage, templateText } from "../models/passage-prompt.ts";
import { KvDistillError } from "../util/errors.ts";
import { compressIds, type CompressOptions } from "./compress.ts";
import { checkExportable } from "./exportable.ts";
import { attachAdapter, type LoadedAdapter } from "./loaded-adapter.ts";
import { methodNamed } from "./methods/index.ts";

/** How much to keep: a fraction of the tokens, or a number of tokens or of bytes of keys and values as stored (F16). */
export type Keep = number | { readonly tokens: number } | { readonly bytes: number };

export interface CompressTextOptions extends Omit<CompressOptions, "method" | "adapter" | "keep" | "span"> {
  readonly keep: Keep;
  /** A method by name; "kv-distill" by default. */
  readonly method?: string;
  /** For kv-distill, by default the one that comes with the package for this model. Attached already, it stays attached. */
  readonly adapter?: Adapter | LoadedAdapter;
  /** Other programs can hold the cache: heads keep equally many rows. Chooses among the adapters that come with the package. */
  readonly exportable?: boolean;
  /** The part to compress is marked in the text (`encodeMarked`). Messages are always marked. */
  readonly marked?: boolean;
}

/** Finds the adapter that comes with the package for a model; `exportable`: one whose heads keep equally many rows. */
export type ShippedAdapters = (files: ModelFiles, options: { readonly exportable: boolean }) => Promise<Adapter>;

/**
 * Compresses a document, or a conversation with a marked part, to a cache that the unmodified model answers from.
 * @param shippedAdapter finds the adapter for kv-distill when none is given
 * @throws KvDistillError `bad-argument` for an empty text, missing marks, an impossible budget or a cache that is to be exportable and
 * cannot be; `not-found` when kv-distill has no adapter; `model-mismatch`; and as `compressIds`
 */
export async function compressContext(
  model: LanguageModel,
  context: string | readonly PromptMessage[],
  options: CompressTextOptions,
  shippedAdapter: ShippedAdapters,
): Promise<KvCache> {
  const { keep, method: name = "kv-distill", adapter, exportable = false, marked = false, ...rest } = options;
  const { ids, span } = contextTokens(model.files, context, marked);
  const own = await adapterFor(model, name, adapter, (files) => shippedAdapter(files, { exportable }));
  const { attached } = own;
  try {
    const method = methodNamed(name, attached);
    if (exportable) checkExportable(method);
    return await compressIds(model, ids, {
      ...rest,
      method,
      ...(attached === undefined ? {} : { adapter: attached }),
      keep: askedKeep(keep),
      span,
    });
  } finally {
    own.release();
  }
}

/**
 * A document or a conversation as tokens.
 * @throws KvDistillError `bad-argument`, `unsupported` for a template that cannot be cut
 */
export function contextTokens(
  files: ModelFiles,
  context: string | readonly PromptMessage[],
  marked: boolean,
): ContextTokens {
  if (typeof context !== "string") return chatContext(files, context);
  if (context.trim() === "") throw new KvDistillError("bad-argument", "the text is empty", { where: "context" });
  const prompt = passagePromptOf(files, "plain");
  if (marked) return encodeMarked([templateText(prompt.header), givenText(context.trim())], files.tokenizer);
  const ids = prompt.contextIds(context);
  return { ids, span: { start: 0, end: ids.length } };
}

function askedKeep(keep: Keep): AskedKeep {
  if (typeof keep === "number") return { kind: "fraction", value: keep };
  return "tokens" in keep ? { kind: "tokens", value: keep.tokens } : { kind: "bytes", value: keep.bytes };
}

interface OwnAdapter {
  readonly attached: LoadedAdapter | undefined;
  /** Undoes what `adapterFor` attached. */
  release(): void;
}

async function adapterFor(
  model: LanguageModel,
  method: string,
  given: Adapter | LoadedAdapter | undefined,
  shippedAdapter: (files: ModelFiles) => Promise<Adapter>,
): Promise<OwnAdapter> {
  const nothing = (): void => undefined;
  if (method !== "kv-distill") {
    if (given === undefined) return { attached: undefined, release: nothing };
    throw new KvDistillError("bad-argument", "this method takes no adapter", { where: method });
  }
  const adapter = given ?? (await shippedAdapter(model.files));
  const { baseModel } = "config" in adapter ? adapter.config : adapter.adapter.config;
  if (baseModel.hash !== model.files.hash) {
    throw new KvDistillError("model-mismatch", "the adapter belongs to another model", {
      expected: `${model.files.name} (sha256 ${model.files.hash})`,
      got: `${baseModel.name} (sha256 ${baseModel.hash})`,
    });
  }
  if (!("config" in adapter)) return { attached: adapter, release: nothing };
  const attached = await attachAdapter(model, adapter);
  return {
    attached,
    release: () => {
      attached.release();
    },
  };
}
