import { fileURLToPath } from "node:url";

/** A file of the package's examples. */
export const exampleFile = (name: string): string =>
  fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));

/** Where the text is from, for people. */
export const TEXT_TITLE = "Charles Darwin, The Voyage of the Beagle (1845), chapter XVII";

export const QUESTIONS: readonly string[] = [
  "How many principal islands does the archipelago have?",
  "What are the islands formed of?",
  "What did the two large tortoises weigh?",
];
