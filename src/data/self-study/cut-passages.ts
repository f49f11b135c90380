/** Where a text may be cut, best first. Each gives pieces that joined are the text: white space stays at the end of the piece before. */
const CUTS: readonly ((text: string) => string[])[] = [
  // Paragraphs: a blank line, with all white space around it.
  (text) => after(text, /\n[^\S\n]*\n\s*/gu),
  // Sentences: a mark that ends one, closing quotes and brackets, and white space.
  (text) => after(text, /[.!?…。！？]["'”’»)\]]*\s+/gu),
  (text) => after(text, /\s+/gu),
  (text) => Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment),
];

/**
 * A text as passages of at most `size`: neighbouring paragraphs together as far as they fit. A paragraph that is too long alone is cut
 * between sentences, a sentence between words, a word between characters. Passages do not overlap, and joined they are the text.
 * @param measure the size of a text; longer texts are not smaller
 */
export function cutPassages(text: string, size: number, measure: (text: string) => number): string[] {
  return pack(text, 0, size, measure);
}

function pack(text: string, level: number, size: number, measure: (text: string) => number): string[] {
  const passages: string[] = [];
  let open = "";
  for (const piece of CUTS[level]?.(text) ?? []) {
    if (measure(open + piece) <= size) {
      open += piece;
      continue;
    }
    if (open !== "") passages.push(open);
    if (measure(piece) <= size || level === CUTS.length - 1) {
      open = piece;
      continue;
    }
    const parts = pack(piece, level + 1, size, measure);
    open = parts.pop() ?? "";
    passages.push(...parts);
  }
  return open === "" ? passages : [...passages, open];
}

/** Cuts after every match. */
function after(text: string, pattern: RegExp): string[] {
  const pieces: string[] = [];
  let start = 0;
  for (const { index, 0: match } of text.matchAll(pattern)) {
    pieces.push(text.slice(start, index + match.length));
    start = index + match.length;
  }
  return start < text.length ? [...pieces, text.slice(start)] : pieces;
}
