interface Builtins {
  readonly "node:crypto": typeof import("node:crypto");
  readonly "node:vm": typeof import("node:vm");
}

interface Host {
  readonly process?: { readonly getBuiltinModule?: <K extends keyof Builtins>(name: K) => Builtins[K] | undefined };
}

/**
 * A module of Node's own where the program runs in Node, undefined in a browser (and in Node before 20.16, which cannot tell).
 * For modules that both use and that do without it: an `import` would not load in a browser.
 * https://nodejs.org/api/process.html#processgetbuiltinmoduleid
 */
export function nodeBuiltin<K extends keyof Builtins>(name: K): Builtins[K] | undefined {
  return (globalThis as Host).process?.getBuiltinModule?.(name);
}
