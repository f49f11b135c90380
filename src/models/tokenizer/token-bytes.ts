import { utf8Bytes } from "../../util/bytes.ts";
import { bytesOfToken } from "./byte-level.ts";
import { isByteLevel } from "./exact-steps.ts";
import type { TokenizerJson } from "./schema.ts";
import { stepsOf } from "./steps.ts";

/** How the bytes of tokens make a text. */
export interface TokenBytes {
  /** UTF-8 bytes of a token; part of a character for some. Empty for ids that are no token. */
  readonly of: (id: number) => Uint8Array;
  /** SentencePiece writes a space before the first word, which is not part of the text. */
  readonly dropsFirstSpace: boolean;
}

const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/;
const NOTHING = new Uint8Array();

/**
 * The bytes of every token. Added tokens are their own content; others are byte-level stand-ins, or SentencePiece pieces
 * with U+2581 for a space and `<0x0A>` for a byte.
 * @param unsupported gets decoder steps that are neither
 */
export function tokenBytes(json: TokenizerJson, unsupported: string[]): TokenBytes {
  const added = new Map(json.added_tokens.map((token) => [token.id, token.content]));
  const tokens = new Map(Object.entries(json.model.vocab).map(([token, id]) => [id, token]));
  const bytesOf = isByteLevel(json) ? byteLevelBytes : sentencePieceBytes;
  const cache = new Map<number, Uint8Array>();
  const make = (id: number): Uint8Array => {
    const content = added.get(id);
    if (content !== undefined) return utf8Bytes(content);
    const token = tokens.get(id);
    return token === undefined ? NOTHING : bytesOf(token);
  };
  return {
    of: (id) => {
      const known = cache.get(id) ?? make(id);
      cache.set(id, known);
      return known;
    },
    dropsFirstSpace: readDecoder(json, unsupported),
  };
}

function byteLevelBytes(token: string): Uint8Array {
  return bytesOfToken(token) ?? utf8Bytes(token);
}

function sentencePieceBytes(token: string): Uint8Array {
  const byte = BYTE_TOKEN.exec(token)?.[1];
  return byte === undefined ? utf8Bytes(token.replaceAll("▁", " ")) : Uint8Array.of(Number.parseInt(byte, 16));
}

/** Checks that the decoder does what `of` does; true when it also strips one leading space. */
function readDecoder(json: TokenizerJson, unsupported: string[]): boolean {
  const steps = stepsOf(json.decoder, "decoders");
  if (isByteLevel(json)) {
    for (const { type } of steps) if (type !== "ByteLevel") unsupported.push(`decoder: ${type} after ByteLevel`);
    if (steps.length === 0) unsupported.push("decoder: missing");
    return false;
  }
  let strips = false;
  for (const step of steps) {
    switch (step.type) {
      case "ByteFallback":
      case "Fuse":
        break;
      case "Replace":
        if (JSON.stringify(step.pattern) !== '{"String":"▁"}' || step.content !== " ")
          unsupported.push("decoder: Replace");
        break;
      case "Strip":
        if (step.content !== " " || step.start !== 1 || step.stop !== 0) unsupported.push("decoder: Strip");
        strips = true;
        break;
      case "Metaspace":
        if (step.replacement !== "▁") unsupported.push("decoder Metaspace: replacement");
        strips = step.prepend_scheme !== "never";
        break;
      default:
        unsupported.push(`decoder: ${step.type}`);
    }
  }
  if (steps.length === 0) unsupported.push("decoder: missing");
  return strips;
}
