import type { TokenizerJson } from "./schema.ts";

/** A stretch of a text to encode. */
export interface TextPart {
  readonly text: string;
  /**
   * What a special token written out in it is: "parse" for a token, as in the text of a chat template; "plain" for
   * letters like any others, as in a person's document.
   */
  readonly special: "parse" | "plain";
}

// Half of a surrogate pair: no well-formed text holds one, so no document can write a stand-in.
const MARK = "\udc00";
const standIn = (id: number): string => `${MARK}${id}${MARK}`;

// Has no UTF-8 form: encoders write U+FFFD for it.
const LONE_SURROGATE = /\p{Surrogate}/gu;

/** Ids of a text as it stands. */
type Encode = (text: string) => number[];

/**
 * Encodes a text made of parts as one, so that tokens and words reach across their borders. Where no plain part holds a
 * special token, the ids are those of the joined text.
 * @param encode of the tokenizer as it is
 * @param build makes a tokenizer like it from another tokenizer.json; called once, when it is first needed
 */
export function partsEncoder(
  json: TokenizerJson,
  encode: Encode,
  build: (json: TokenizerJson) => Encode,
): (parts: readonly TextPart[]) => number[] {
  const special = json.added_tokens.filter((token) => token.special);
  const specialContents = new Map(special.map((token) => [token.content, token.id]));
  const anySpecial = matcherOf([...specialContents.keys()]);
  const anyAdded = matcherOf(json.added_tokens.map((token) => token.content));
  let withStandIns: Encode | undefined;

  const marked = ({ text, special: meaning }: TextPart): string => {
    const wellFormed = text.replaceAll(LONE_SURROGATE, "\ufffd");
    if (meaning === "plain") return wellFormed;
    return wellFormed.replaceAll(anyAdded, (content: string) => {
      const id = specialContents.get(content);
      return id === undefined ? content : standIn(id);
    });
  };
  return (parts) => {
    const joined = parts.map(({ text }) => text).join("");
    if (!reachesPlainText(joined, parts, anySpecial)) return encode(joined);
    withStandIns ??= build(standInTokenizer(json));
    return withStandIns(parts.map(marked).join(""));
  };
}

/** Whether a match lies, wholly or partly, in a plain part. */
function reachesPlainText(joined: string, parts: readonly TextPart[], matcher: RegExp): boolean {
  const plain: { readonly start: number; readonly end: number }[] = [];
  let at = 0;
  for (const { text, special } of parts) {
    if (special === "plain") plain.push({ start: at, end: at + text.length });
    at += text.length;
  }
  for (const { index, 0: match } of joined.matchAll(matcher)) {
    if (plain.some(({ start, end }) => index < end && index + match.length > start)) return true;
  }
  return false;
}

/** Matches any of the contents, of several at one place the longest, as tokenizers do; nothing when there are none. */
function matcherOf(contents: readonly string[]): RegExp {
  const longestFirst = contents.toSorted((a, b) => b.length - a.length);
  const escaped = longestFirst.map((content) => content.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(escaped.length === 0 ? "(?!)" : escaped.join("|"), "g");
}

/** A tokenizer whose special tokens are written as stand-ins, and whose merges cannot make a special token out of letters. */
function standInTokenizer(json: TokenizerJson): TokenizerJson {
  const { model, added_tokens: added } = json;
  const contents = new Set(added.filter((token) => token.special).map((token) => token.content));
  const joinOf = (merge: string | [string, string]): string =>
    typeof merge === "string" ? merge.replace(" ", "") : merge.join("");
  const merges = [...model.merges].filter((merge) => !contents.has(joinOf(merge)));
  return {
    ...json,
    added_tokens: added.map((token) => (token.special ? { ...token, content: standIn(token.id) } : token)),
    model: {
      ...model,
      vocab: Object.fromEntries(Object.entries(model.vocab).filter(([token]) => !contents.has(token))),
      merges: merges as TokenizerJson["model"]["merges"],
    },
  };
}
