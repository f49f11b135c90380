import stringWidth from "string-width";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Terminal columns that one line of text takes; colour codes take none. */
export function columnsOf(line: string): number {
  return stringWidth(line);
}

/** The line cut to at most `columns`, ending in `…` where something was cut off. For lines without colour codes. */
export function cutLine(line: string, columns: number): string {
  if (columnsOf(line) <= columns) return line;
  if (columns < 1) return "";
  const start = takeColumns(line, columns - 1);
  return columnsOf(start) < columns ? `${start}…` : "…";
}

/**
 * Text wrapped into lines of at most `columns` at spaces; a longer word is broken. Nothing is lost but the spaces at
 * which lines break. For text without colour codes; a grapheme wider than `columns` gets a line of its own.
 */
export function wrapText(text: string, columns: number): string[] {
  return text.split("\n").flatMap((line) => wrapLine(line, columns));
}

function wrapLine(line: string, columns: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const piece of line.split(/(?<= )(?! )/)) {
    let rest = piece;
    if (columnsOf((current + rest).trimEnd()) > columns && current !== "") {
      lines.push(current.trimEnd());
      current = "";
    }
    while (columnsOf(rest.trimEnd()) > columns) {
      const taken = takeColumns(rest, columns);
      lines.push(taken);
      rest = rest.slice(taken.length);
    }
    current += rest;
  }
  lines.push(current.trimEnd());
  return lines;
}

/** The longest start of the line that fits, by whole graphemes, and at least one. */
function takeColumns(line: string, columns: number): string {
  let taken = "";
  let width = 0;
  for (const { segment } of graphemes.segment(line)) {
    width += columnsOf(segment);
    if (width > columns && taken !== "") break;
    taken += segment;
  }
  return taken;
}
