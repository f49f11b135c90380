import { groupPassages } from "../../data/group-passages.ts";
import type { Passage, QuestionRow } from "../../data/passage.ts";
import type { Source, SourceNotes } from "../../data/sources/source.ts";

/**
 * The passages of files in a source's format, in file order; questions about one text are together where they stand together.
 * @throws KvDistillError as `Source.read`
 */
export async function* passagesOf(
  source: Source,
  paths: readonly string[],
  notes: SourceNotes,
): AsyncGenerator<Passage, void, undefined> {
  for (const path of paths) yield* groupPassages(rowsOf(source, path, notes), { openPassages: 1 });
}

async function* rowsOf(source: Source, path: string, notes: SourceNotes): AsyncGenerator<QuestionRow> {
  yield* source.read(path, notes);
}
