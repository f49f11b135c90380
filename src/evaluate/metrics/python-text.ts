// What str.split() of Python splits at: unlike `\s` with U+001C – U+001F and U+0085, without U+FEFF.
const WHITE_SPACE = /[\t-\r\u001c- \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** Words between white space as Python's `str.split()` finds them. */
export function pythonWords(text: string): string[] {
  return text.split(WHITE_SPACE).filter((word) => word !== "");
}
