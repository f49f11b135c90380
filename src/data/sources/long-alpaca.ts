import { z } from "zod";
import { givenInput } from "./alpaca.ts";
import { checked, recordSource } from "./record-source.ts";

const schema = z.object({ instruction: z.string(), input: z.string().nullish(), output: z.string() });

/** The sentences before a document, of which the first asks for something about a paper, papers or a book. */
const HEADER = /^\s*(?:Below is|Below are|There are)\b[^\n]*?\bquestion after the (?:paper|papers|book|material)\.\s*/;
/** A single paper is announced; of two, the announcements are what keeps them apart and stay. */
const ONE_BEGINS = /^The (?:paper|book|material) begins\.\s*/;
/** The sentence after which the question stands. A document may say such a thing itself: the last one counts. */
const ENDS = /\bNow the (?:[a-z]+ )?(?:paper|book|material|guideline) ends\.\s*/g;

/** Long documents with a question at their end. */
export const longAlpaca = recordSource(
  {
    name: "longalpaca",
    description: "LongAlpaca-12k: questions about papers and books, and some short Alpaca rows",
    split:
      'the instruction up to "Now the paper ends." (or material, second paper, …) is the context, without the sentences that ' +
      "announce it; what follows is the question, output the answer; short rows are Alpaca's",
    format: "https://github.com/dvlab-research/LongLoRA#longalpaca-data",
    licence: "CC BY-NC 4.0",
    hub: "Yukang/LongAlpaca-12k",
  },
  function* (value) {
    const row = checked(schema, value);
    if ("fault" in row) yield row;
    else yield { ...splitInstruction(row.value.instruction, row.value.input ?? ""), answers: [row.value.output] };
  },
);

function splitInstruction(instruction: string, input: string): { readonly context: string; readonly question: string } {
  const last = [...instruction.matchAll(ENDS)].at(-1);
  if (last === undefined) return { context: givenInput(input), question: instruction };
  const document = instruction.slice(0, last.index).replace(HEADER, "").replace(ONE_BEGINS, "");
  return { context: document.trim(), question: instruction.slice(last.index + last[0].length).trim() };
}
