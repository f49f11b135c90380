import { BYTE_CHARACTERS } from "./byte-level.ts";
import type { Step, TokenizerJson } from "./schema.ts";
import { stepsOf } from "./steps.ts";

/** GPT-2's split (Radford et al. 2019), which every `ByteLevel` step with `use_regex` applies. */
const GPT2_SPLIT = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * Rewrites the pre-tokenizer into steps that the JavaScript library runs exactly as the Rust one does.
 * Its `Digits` step knows ASCII digits only, and its `ByteLevel` step takes U+FEFF for white space and U+0085 for none;
 * its `Split` step translates classes faithfully, so both become `Split`s. Bytes that the vocabulary lacks are dropped
 * before merging, as in the Rust library, and not after.
 * @param unsupported gets what cannot be run exactly
 */
export function exactPreTokenizer(json: TokenizerJson, unsupported: string[]): Step | null {
  const steps = stepsOf(json.pre_tokenizer, "pretokenizers");
  // Each writes a byte beyond ASCII as two: forty of them make a character a terabyte.
  if (steps.filter(({ type }) => type === "ByteLevel").length > 1) unsupported.push("pre_tokenizer: several ByteLevel");
  const exact = steps.flatMap((step) => exactStep(step, unsupported));
  if (isByteLevel(json)) exact.push(...dropMissingBytes(json));
  return exact.length === 0 ? null : { type: "Sequence", pretokenizers: exact };
}

/** True when the vocabulary is written in stand-ins for bytes. */
export function isByteLevel(json: TokenizerJson): boolean {
  return stepsOf(json.pre_tokenizer, "pretokenizers").some((step) => step.type === "ByteLevel");
}

function exactStep(step: Step, unsupported: string[]): Step[] {
  switch (step.type) {
    case "Digits":
      return [isolate(step.individual_digits === true ? String.raw`\p{N}` : String.raw`\p{N}+`)];
    case "ByteLevel": {
      if (step.add_prefix_space === true) unsupported.push("pre_tokenizer ByteLevel: add_prefix_space");
      const bytes = { ...step, add_prefix_space: false, use_regex: false };
      return step.use_regex === false ? [bytes] : [isolate(GPT2_SPLIT), bytes];
    }
    case "Split":
      return [exactSplit(step, unsupported)];
    case "Metaspace":
      if (step.split !== false) unsupported.push("pre_tokenizer Metaspace: split");
      return [step];
    default:
      unsupported.push(`pre_tokenizer: ${step.type}`);
      return [];
  }
}

function isolate(pattern: string): Step {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

/** Splitting off the matches or what is between them gives the same pieces when nothing is removed. */
function exactSplit(step: Step, unsupported: string[]): Step {
  const behavior = String(step.behavior).toLowerCase();
  if (behavior === "isolated") return { ...step, invert: false };
  if (behavior !== "removed") unsupported.push(`pre_tokenizer Split: behavior ${behavior}`);
  return step;
}

function dropMissingBytes({ model }: TokenizerJson): Step[] {
  if (typeof model.unk_token === "string") return [];
  const missing = BYTE_CHARACTERS.filter((character) => !Object.hasOwn(model.vocab, character));
  if (missing.length === 0) return [];
  const codes = missing.map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return [{ type: "Replace", pattern: { Regex: `[${codes.join("")}]` }, content: "" }];
}

const NORMALIZERS = ["NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace"];

/** So many times as long may all `Replace` steps together make a text; real ones put a character in the place of one. */
const MOST_GROWTH = 1024;

/** Adds to `unsupported` the normalizers that the JavaScript library does not run as the Rust one does. */
export function checkNormalizer(json: TokenizerJson, unsupported: string[]): void {
  const steps = stepsOf(json.normalizer, "normalizers");
  const contents = steps.filter(({ type }) => type === "Replace").map(({ content }) => String(content).length);
  // An empty match puts the content between any two characters.
  if (contents.reduce((growth, length) => growth * (1 + length), 1) > MOST_GROWTH)
    unsupported.push("normalizer: Replace steps that make a text far longer");
  for (const step of steps) {
    if (!NORMALIZERS.includes(step.type)) unsupported.push(`normalizer: ${step.type}`);
    if (step.type === "Replace" && String(step.content).includes("$"))
      unsupported.push("normalizer Replace: $ in content");
  }
}
