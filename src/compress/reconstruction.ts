import { createPassagePrompt } from "../models/passage-prompt.ts";
import { givenText, templateText } from "../models/passage-prompt.ts";
import { rendererOf } from "../models/renderer-of.ts";
import type { ModelFiles } from "../models/model-files.ts";
import type { CompressionContext, Probe } from "./context.ts";

export interface ReconstructionOptions {
  /** Tokens of the context that are repeated at a time. */
  readonly chunk?: number;
}

/** As in kvpress; the authors': 2,000. */
const CHUNK = 2048;
/** Last tokens of the chunk before, which the next one begins with. */
const OVERLAP = 8;
const REPEAT_ALL = "\n\nRepeat the previous context exactly.";
const REPEAT_PART = "\n\nRepeat the part of the previous context exactly, starting with";

/**
 * Importance by context reconstruction (KVzip, arXiv 2505.23416): the largest attention that each token receives from any query while the model
 * is made to repeat the context, chunk by chunk; for every layer [kvHeads, tokens]. Attention to the sinks, the chunk and what has been repeated
 * is counted, as if nothing else were there. What the chat template puts in front of a document, and what stands in front of a fold, is not repeated and scores 0.
 */
export function reconstructionScores(
  context: CompressionContext,
  sinks: number,
  { chunk = CHUNK }: ReconstructionOptions = {},
): Promise<Float32Array[]> {
  return context.once(`reconstruction, ${sinks} sinks, chunks of ${chunk}`, () => scoresOf(context, sinks, chunk));
}

async function scoresOf(context: CompressionContext, sinks: number, chunk: number): Promise<Float32Array[]> {
  const { numLayers, numKvHeads } = context.model.config;
  const tokens = context.ids.length;
  const chunks = chunksOf(context, sinks, chunk);
  const received = await context.attentionFromProbes(chunks.map((one) => probeOf(one, sinks, tokens)));
  const scores = Array.from({ length: numLayers }, () => new Float32Array(numKvHeads * tokens));
  chunks.forEach(({ start, end }, i) => {
    scores.forEach((own, layer) => {
      for (let head = 0; head < numKvHeads; head++) {
        const [from, to] = [head * tokens + start, head * tokens + end];
        own.set(received[i]?.[layer]?.subarray(from, to) ?? [], from);
      }
    });
  });
  return scores;
}

interface Chunk {
  readonly start: number;
  readonly end: number;
  /** What is read after the context: the request, the template's way to the answer, the chunk. */
  readonly ids: readonly number[];
}

function chunksOf({ model, ids, position }: CompressionContext, sinks: number, size: number): Chunk[] {
  const { tokenizer } = model.files;
  const plain = (text: string): number[] => [...tokenizer.encodeParts([givenText(text)])];
  const { headerIds, closingIds } = turnOf(model.files);
  const headed = position === 0 && headerIds.every((id, i) => id === ids[i]);
  // Of a later fold the sinks stand in front, which are the text's first tokens.
  const first = headed ? headerIds.length : position > 0 ? Math.min(sinks, ids.length) : 0;
  const chunks: Chunk[] = [];
  for (let start = first; start < ids.length; start += size) {
    const end = Math.min(ids.length, start + size);
    const request =
      chunks.length === 0
        ? plain(REPEAT_ALL)
        : [...plain(REPEAT_PART), ...ids.slice(Math.max(0, start - OVERLAP), start)];
    chunks.push({ start, end, ids: [...request, ...closingIds, ...ids.slice(start, end)] });
  }
  return chunks;
}

function probeOf({ ids, start, end }: Chunk, sinks: number, tokens: number): Probe {
  const among = new Float32Array(tokens).fill(1, start, end).fill(1, 0, Math.min(sinks, start));
  return { ids, reduction: "max", among };
}

/** The template around a user's message, as far as the answer's start. */
function turnOf(files: ModelFiles): { readonly headerIds: readonly number[]; readonly closingIds: readonly number[] } {
  const { tokenizer } = files;
  const prompt = createPassagePrompt({
    render: rendererOf(files),
    encode: (parts) => tokenizer.encodeParts(parts),
    stopIds: tokenizer.eosIds,
    ask: (question) => question,
  });
  return {
    headerIds: tokenizer.encodeParts([templateText(prompt.header)]),
    closingIds: prompt.questionIds(""),
  };
}
