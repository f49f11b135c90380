import type { Dice } from "./dice.ts";

/** Whole numbers at the limits of the types that parsers keep them in. */
export const INTEGERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  4n,
  7n,
  8n,
  31n,
  32n,
  33n,
  127n,
  128n,
  255n,
  256n,
  1000n,
  65_535n,
  65_536n,
  2n ** 24n,
  2n ** 28n,
  2n ** 30n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 32n,
];

/** Numbers as JSON may write them, and as it may not. */
export const NUMBERS: readonly string[] = [
  ...INTEGERS.map(String),
  "-1",
  "-0",
  "0.0",
  "0.5",
  "1.5",
  "-2147483648",
  "-2147483649",
  "-9007199254740993",
  "1e308",
  "1e309",
  "-1e309",
  "5e-324",
  "1e-400",
  "1E2",
  "1e+2",
  "0.1e1",
  "4294967296.0",
  "9".repeat(400),
  `0.${"0".repeat(400)}1`,
  "NaN",
  "Infinity",
  "-Infinity",
  "01",
  "+1",
  ".5",
  "1.",
  "0x10",
  "1_000",
  "1n",
];

/** Texts (not yet JSON) that have broken parsers. */
export const TEXTS: readonly string[] = [
  "",
  " ",
  "\u0000",
  "\n",
  "\r\n",
  "a\u0000b",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "prototype",
  "../../etc/passwd",
  "..",
  "/",
  "C:\\x",
  "file.safetensors\u0000",
  "\ud800",
  "\udc00\ud800",
  "\ufeff",
  "\uffff",
  "\u2028",
  "\u001b]0;title\u0007",
  "\u202egnp.exe",
  "e\u0301",
  "ﬁ",
  "İ",
  "𝕏",
  "👩‍👩‍👧",
  "%s%n",
  "{{7*7}}",
  "${7*7}",
  "<script>",
  "|||",
  "a".repeat(300),
  "é".repeat(70),
  "0",
  "-1",
  "1e999",
  "NaN",
  "null",
  "true",
  "F32",
  "F16",
  "BF16",
  "I64",
  "F8_E4M3",
  "U64",
  "2147483648",
  "9007199254740993",
  "0:0",
  "1:0",
  "fraction:0",
  "tokens:9007199254740993",
  "100%",
  "1e400%",
  "-5%",
];

/** Bytes that are no UTF-8: stray, overlong, surrogate, cut short, beyond Unicode. */
export const BAD_UTF8: readonly (readonly number[])[] = [
  [0x80],
  [0xff],
  [0xfe],
  [0xc0, 0x80],
  [0xe0, 0x80, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82],
  [0xf0, 0x9f],
];

/** A text that may be very long. */
export function hostileText(dice: Dice): string {
  if (dice.chance(0.003)) return dice.pick(["a", "\\", "\u0001", "é", "𝕏"]).repeat(1 << (10 + dice.below(7)));
  return dice.pick(TEXTS);
}

/** A JSON value as text, valid or not. */
export function hostileJson(dice: Dice): string {
  const kind = dice.below(20);
  if (kind < 8) return dice.pick(NUMBERS);
  if (kind < 14) return JSON.stringify(hostileText(dice));
  if (kind < 18) return dice.pick(["null", "true", "false", "{}", "[]", "[[]]", '{"":0}', "[null]", "undefined", ""]);
  if (kind === 18) return nested(dice);
  return repeated(dice);
}

function nested(dice: Dice): string {
  const depth = dice.chance(0.02) ? 20_000 + dice.below(80_000) : 1 + dice.below(200);
  const [open, close] = dice.pick([
    ["[", "]"],
    ['{"a":', "}"],
    ['{"type":"Sequence","normalizers":[', "]}"],
    ['{"type":"Sequence","pretokenizers":[', "]}"],
    ['{"type":"Sequence","decoders":[', "]}"],
    ["[", ""],
  ] as const);
  return open.repeat(depth) + dice.pick(["", "0", "null"]) + close.repeat(depth);
}

/** Many faults at once: what a parser says of them has to stay short. */
function repeated(dice: Dice): string {
  const count = dice.chance(0.01) ? 100_000 : dice.below(300);
  return `[${`${dice.pick(["0", "null", '""', "{}", "[]", "-1", "1.5", '{"a":0}'])},`.repeat(count)}0]`;
}
