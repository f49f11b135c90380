import { KvDistillError } from "../../util/errors.ts";
import { groupPassages } from "../group-passages.ts";
import { type Passage, placeText, type QuestionRow, type RowFault } from "../passage.ts";
import { UNUSED_REASONS, type UnusedRow } from "./source.ts";
import { squad } from "./squad.ts";

const SHOWN_FAULTS = 10;

/**
 * The passages of a SQuAD-like file as scoring needs them, in file order, with all gold answers: rows of one context are one
 * passage where they stand together, the order of questions never changes and repeated questions stay. Malformed JSON Lines
 * rows go to `onFault`; a malformed official file is refused as a whole, before its first passage.
 * @throws KvDistillError `bad-file` for a malformed official file or a damaged one, `unsupported` for SQuAD v2; otherwise as
 * `Source.read`.
 */
export async function* scoredSquad(path: string, onFault: (fault: RowFault) => void): AsyncGenerator<Passage> {
  yield* groupPassages(scoredRows(path, onFault), { openPassages: 1 });
}

async function* scoredRows(path: string, onFault: (fault: RowFault) => void): AsyncGenerator<QuestionRow> {
  const faults: string[] = [];
  const notes = {
    onFault: (fault: RowFault) => {
      if (fault.unit === undefined) onFault(fault);
      else faults.push(fault.fault);
    },
    onDamaged: (fault: RowFault) => {
      throw badFile(placeText(fault), [fault.fault]);
    },
    onUnused: ({ reason, ...place }: UnusedRow) => {
      if (reason === "unanswerable") throw unanswerable(path);
      onFault({ ...place, fault: UNUSED_REASONS[reason] });
    },
  };
  // Rows of an official file wait until all of it was found to be well formed.
  const official: QuestionRow[] = [];
  for await (const { id, source, context, question, answers, place } of squad.read(path, notes)) {
    const row = { id, source, context, question, answers };
    if (place.unit === undefined) yield row;
    else if (source.startsWith("squad_v2")) throw unanswerable(path);
    else official.push(row);
  }
  if (faults.length > 0) throw badFile(path, faults);
  yield* official;
}

function unanswerable(where: string): KvDistillError {
  return new KvDistillError("unsupported", "questions without an answer are not scored here", {
    where,
    expected: "SQuAD v1.1",
    got: "SQuAD v2",
  });
}

function badFile(where: string, faults: readonly string[]): KvDistillError {
  const more = faults.length > SHOWN_FAULTS ? [`… and ${faults.length - SHOWN_FAULTS} more`] : [];
  return new KvDistillError("bad-file", "not a SQuAD v1.1 file", {
    where,
    faults: [...faults.slice(0, SHOWN_FAULTS), ...more],
  });
}
