/**
 * GPT-2's printable stand-ins for bytes: bytes that are printable Latin-1 stand for themselves, the other 68 for U+0100
 * and up, in order. A byte-level vocabulary is written in these characters.
 */
function standIns(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/** Stand-in character of each byte, by byte value. */
export const BYTE_CHARACTERS: readonly string[] = standIns();

const BYTE_OF = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));

/** The bytes that a byte-level token stands for; undefined when it holds any other character. */
export function bytesOfToken(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF.get(token.charAt(i));
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
