import { KvDistillError } from "../../util/errors.ts";
import { type DocumentLine, documentLineSchema } from "./document.ts";

/**
 * A line of documents.jsonl.
 * @throws KvDistillError `bad-file`
 */
export function parseDocumentLine(text: string, where: string): DocumentLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new KvDistillError("bad-file", "the line is not JSON", { where, cause });
  }
  const result = documentLineSchema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new KvDistillError("bad-file", "not what is told of a document", { where, faults });
}
