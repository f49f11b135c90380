import { createHash } from "node:crypto";
import type { QuestionRow } from "../passage.ts";
import { type Fingerprint, Fingerprints } from "./fingerprints.ts";

/**
 * What makes a row a duplicate of an earlier one: the same context and question, or the same context alone. White space, case and the
 * spelling of accents make no difference, punctuation does; the answer is not looked at.
 */
export const DEDUPLICATIONS = ["question", "context", "none"] as const;
export type Deduplication = (typeof DEDUPLICATIONS)[number];

/** Tells of each row whether an earlier one was the same. Sixteen to forty bytes are kept for each. */
export function createDeduplicator(by: Deduplication): (row: QuestionRow) => boolean {
  if (by === "none") return () => false;
  const seen = new Fingerprints();
  return ({ context, question }) => {
    const parts = by === "context" ? [context] : [context, question];
    return !seen.add(fingerprint(parts.map(normalised).join("\u0000")));
  };
}

function normalised(text: string): string {
  return text.normalize("NFC").toLowerCase().trim().replaceAll(/\s+/gu, " ");
}

function fingerprint(text: string): Fingerprint {
  const digest = createHash("sha256").update(text).digest();
  return { low: digest.readUInt32LE(0), high: digest.readUInt32LE(4) };
}
