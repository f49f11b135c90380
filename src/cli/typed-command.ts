/** What was typed, for the record, without secrets. */
export function typedCommand(words?: readonly string[]): string {
  return ["kv-distill", ...typedWords(words)].join(" ");
}

/** The same, word by word. */
export function typedWords(words: readonly string[] = process.argv.slice(2)): string[] {
  return words.map((word, i) => {
    if (words[i - 1] === "--token") return "***";
    if (word.startsWith("--token=")) return "--token=***";
    return word.replace(/(rediss?:\/\/)[^/@\s]*@/i, "$1***@");
  });
}
