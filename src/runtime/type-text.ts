/** `float32[2, n]`. */
export function typeText({ dtype, dims }: { readonly dtype: string; readonly dims: readonly (number | string)[] }) {
  return `${dtype}[${dims.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}
