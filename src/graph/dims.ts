import { KvDistillError } from "../util/errors.ts";

/**
 * A dimension: a number, or a polynomial over symbols in canonical text ("T", "2*B*T", "P+T").
 * Canonical text makes equality `===`, and prints as it is stored.
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** Monomial ("B*T", "" for the constant term) to coefficient. */
type Polynomial = ReadonlyMap<string, number>;

/** Value of every symbol, from the concrete shapes of a graph's inputs. */
export type Bindings = ReadonlyMap<string, number>;

export function addDims(...dims: readonly Dim[]): Dim {
  const sum = new Map<string, number>();
  for (const dim of dims) {
    for (const [monomial, coefficient] of parse(dim)) sum.set(monomial, (sum.get(monomial) ?? 0) + coefficient);
  }
  return format(sum);
}

export function subDims(a: Dim, b: Dim): Dim {
  return addDims(a, mulDims(-1, b));
}

export function mulDims(...dims: readonly Dim[]): Dim {
  let product: Polynomial = new Map([["", 1]]);
  for (const dim of dims) {
    const next = new Map<string, number>();
    for (const [a, x] of product) {
      for (const [b, y] of parse(dim)) {
        const monomial = joinMonomials(a, b);
        next.set(monomial, (next.get(monomial) ?? 0) + x * y);
      }
    }
    product = next;
  }
  return format(product);
}

/**
 * A dimension in canonical text.
 * @throws KvDistillError `invalid-graph` for text that is no polynomial, and for a number that is not whole or is below 0.
 */
export function canonicalDim(dim: Dim): Dim {
  const canonical = typeof dim === "string" ? format(parse(dim)) : dim;
  if (typeof canonical === "number" && !(Number.isSafeInteger(canonical) && canonical >= 0)) throw notADimension(dim);
  return canonical;
}

/** Number of elements of a shape, symbolic where the shape is. */
export function countOf(shape: Shape): Dim {
  return mulDims(...shape);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** The terms of a dimension: coefficient and symbols. */
export function termsOf(dim: Dim): readonly { readonly coefficient: number; readonly symbols: readonly string[] }[] {
  return [...parse(dim)].map(([monomial, coefficient]) => ({
    coefficient,
    symbols: monomial === "" ? [] : monomial.split("*"),
  }));
}

/** Symbols of a dimension, each once, in the order of its text. */
export function symbolsOf(dim: Dim): readonly string[] {
  return [...new Set(termsOf(dim).flatMap(({ symbols }) => symbols))];
}

/** True for a dimension that is one symbol and nothing else: a tensor that has it gives the symbol its value. */
export function isSymbol(dim: Dim): dim is string {
  return typeof dim === "string" && SYMBOL.test(dim);
}

/** @throws KvDistillError `invalid-graph` for a symbol without a value. */
export function evaluateDim(dim: Dim, bindings: Bindings): number {
  if (typeof dim === "number") return dim;
  let total = 0;
  for (const { coefficient, symbols } of termsOf(dim)) {
    let term = coefficient;
    for (const symbol of symbols) {
      const value = bindings.get(symbol);
      if (value === undefined) {
        throw new KvDistillError("invalid-graph", "symbolic dimension has no value", { where: dim, got: symbol });
      }
      term *= value;
    }
    total += term;
  }
  return total;
}

export function evaluateShape(shape: Shape, bindings: Bindings): number[] {
  return shape.map((dim) => evaluateDim(dim, bindings));
}

export function printShape(shape: Shape): string {
  return `[${shape.join(",")}]`;
}

const SYMBOL = /^[A-Za-z]\w*$/;
/** Signed terms of factors joined by "*"; a factor is a symbol or a whole number. */
const POLYNOMIAL = /^-?(?:\w+\*)*\w+(?:[+-](?:\w+\*)*\w+)*$/;

function parse(dim: Dim): Polynomial {
  if (typeof dim === "number") return new Map([["", dim]]);
  if (!POLYNOMIAL.test(dim)) throw notADimension(dim);
  const terms = new Map<string, number>();
  for (const [term] of dim.matchAll(/-?[^+-]+/g)) {
    let coefficient = term.startsWith("-") ? -1 : 1;
    const symbols: string[] = [];
    for (const factor of term.replace("-", "").split("*")) {
      if (/^\d+$/.test(factor)) coefficient *= Number(factor);
      else if (SYMBOL.test(factor)) symbols.push(factor);
      else throw notADimension(dim);
    }
    const monomial = symbols.sort().join("*");
    terms.set(monomial, (terms.get(monomial) ?? 0) + coefficient);
  }
  return terms;
}

function notADimension(dim: Dim): KvDistillError {
  return new KvDistillError("invalid-graph", "not a dimension", {
    expected: 'a whole number from 0, or text like "T", "2*B*T" or "P+T"',
    got: String(dim),
  });
}

function format(polynomial: Polynomial): Dim {
  const terms = [...polynomial].filter(([, coefficient]) => coefficient !== 0);
  if (terms.length === 0) return 0;
  if (terms.length === 1 && terms[0]?.[0] === "") return terms[0][1];
  terms.sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
  return terms
    .map(([monomial, coefficient]) => {
      if (monomial === "") return coefficient.toString();
      if (coefficient === 1) return monomial;
      return coefficient === -1 ? `-${monomial}` : `${coefficient.toString()}*${monomial}`;
    })
    .join("+")
    .replaceAll("+-", "-");
}

function joinMonomials(a: string, b: string): string {
  return [...a.split("*"), ...b.split("*")]
    .filter((symbol) => symbol !== "")
    .sort()
    .join("*");
}
