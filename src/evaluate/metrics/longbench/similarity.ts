/**
 * How alike two texts are, in whole per cent, as fuzzywuzzy's `ratio` says on top of Python's difflib, which is how LongBench measures code
 * (https://docs.python.org/3/library/difflib.html): twice the characters in matching blocks over all characters. The largest block is
 * found first, then those on its left and right; in texts of 200 characters and more, characters that are over 1 % of them begin no block.
 */
export function similarity(one: string, other: string): number {
  if (one === other) return 100;
  if (one === "" || other === "") return 0;
  // Characters are code points, as in Python.
  const a = Array.from(one);
  const b = Array.from(other);
  return roundHalfEven((100 * 2 * matchingCharacters(a, b)) / (a.length + b.length));
}

interface Stretch {
  readonly aStart: number;
  readonly aEnd: number;
  readonly bStart: number;
  readonly bEnd: number;
}

function matchingCharacters(a: readonly string[], b: readonly string[]): number {
  const places = placesOf(b);
  const open: Stretch[] = [{ aStart: 0, aEnd: a.length, bStart: 0, bEnd: b.length }];
  let matched = 0;
  for (let stretch = open.pop(); stretch !== undefined; stretch = open.pop()) {
    const { aStart, aEnd, bStart, bEnd } = stretch;
    const [i, j, size] = longestBlock(a, b, places, stretch);
    if (size === 0) continue;
    matched += size;
    if (aStart < i && bStart < j) open.push({ aStart, aEnd: i, bStart, bEnd: j });
    if (i + size < aEnd && j + size < bEnd) open.push({ aStart: i + size, aEnd, bStart: j + size, bEnd });
  }
  return matched;
}

/** Where each character stands in a text; in a long one the popular ones stand nowhere. */
function placesOf(text: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  text.forEach((mark, at) => {
    const own = places.get(mark);
    if (own === undefined) places.set(mark, [at]);
    else own.push(at);
  });
  if (text.length >= 200) {
    const most = Math.floor(text.length / 100) + 1;
    for (const [mark, own] of places) if (own.length > most) places.delete(mark);
  }
  return places;
}

/** The longest block of a stretch, of several the one that begins first in `a`, then in `b`; popular characters may lengthen it. */
function longestBlock(
  a: readonly string[],
  b: readonly string[],
  places: ReadonlyMap<string, readonly number[]>,
  { aStart, aEnd, bStart, bEnd }: Stretch,
): [i: number, j: number, size: number] {
  let [bestI, bestJ, bestSize] = [aStart, bStart, 0];
  let endingAbove = new Map<number, number>();
  for (let i = aStart; i < aEnd; i++) {
    const ending = new Map<number, number>();
    for (const j of places.get(a[i] ?? "") ?? []) {
      if (j < bStart) continue;
      if (j >= bEnd) break;
      const size = (endingAbove.get(j - 1) ?? 0) + 1;
      ending.set(j, size);
      if (size > bestSize) [bestI, bestJ, bestSize] = [i - size + 1, j - size + 1, size];
    }
    endingAbove = ending;
  }
  while (bestI > aStart && bestJ > bStart && a[bestI - 1] === b[bestJ - 1]) {
    bestI--;
    bestJ--;
    bestSize++;
  }
  while (bestI + bestSize < aEnd && bestJ + bestSize < bEnd && a[bestI + bestSize] === b[bestJ + bestSize]) bestSize++;
  return [bestI, bestJ, bestSize];
}

/** As Python's `round`. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  if (value - below === 0.5) return below % 2 === 0 ? below : below + 1;
  return Math.round(value);
}
