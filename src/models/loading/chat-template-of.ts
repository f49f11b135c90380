import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { ChatTemplate } from "../chat-template.ts";
import { tokenizerConfigSchema } from "../tokenizer/schema.ts";
import type { TextFile } from "./model-source.ts";

const SPECIAL_TOKENS = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

/**
 * The model's chat template: chat_template.jinja, or else `chat_template` of tokenizer_config.json, of several the one
 * named "default"; with the special tokens that templates refer to.
 * @throws KvDistillError `bad-file`, `unsupported` when there are several and none is the default.
 */
export function chatTemplateOf(
  tokenizerConfig: unknown,
  texts: ReadonlyMap<TextFile, string>,
  where: string,
): ChatTemplate | undefined {
  const parsed = tokenizerConfigSchema.safeParse(tokenizerConfig);
  if (!parsed.success) {
    throw new KvDistillError("bad-file", "tokenizer_config.json is wrong", {
      where,
      faults: parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
    });
  }
  const specialTokens = Object.fromEntries(SPECIAL_TOKENS.flatMap((name) => tokenEntry(name, parsed.data[name])));
  const own = texts.get("chat_template.jinja");
  if (own !== undefined) return { text: own, specialTokens, where: `${where}: chat_template.jinja` };
  const given = parsed.data.chat_template;
  if (given === undefined || given === null) return undefined;
  const place = `${where}: tokenizer_config.json: chat_template`;
  if (typeof given === "string") return { text: given, specialTokens, where: place };
  const chosen = given.find((each) => each.name === "default");
  if (chosen === undefined) {
    throw new KvDistillError("unsupported", "several chat templates and none is the default", {
      where: place,
      got: quote(given.map((each) => each.name).join(", ")),
    });
  }
  return { text: chosen.template, specialTokens, where: place };
}

/** A special token as a text, or as an object that holds it. */
function tokenEntry(name: string, value: unknown): [string, string][] {
  if (typeof value === "string") return [[name, value]];
  if (typeof value === "object" && value !== null && "content" in value && typeof value.content === "string") {
    return [[name, value.content]];
  }
  return [];
}
