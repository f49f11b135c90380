import type { MadeContext, WorkProgress } from "./api/types.ts";
import type { CompressSettings, Draft, Session } from "./session.ts";

/** Tokens of a fold, unless the model reads fewer. */
const FOLD_TOKENS = 1536;
/** Kept by default, percent. */
export const DEFAULT_KEEP = 25;

export function defaultSettings({ model }: Pick<Session, "model">): CompressSettings {
  const method = model.methods.includes("kv-distill") ? "kv-distill" : (model.methods[0] ?? "");
  return { keep: DEFAULT_KEEP, method, fold: false, fidelity: false };
}

/**
 * Compresses a document and keeps in mind what it was.
 * @returns the context's id
 */
export async function compressDocument(
  { api, model, remember }: Pick<Session, "api" | "model" | "remember">,
  { name, text }: Draft,
  settings: CompressSettings,
  signal: AbortSignal,
  onProgress: (progress: WorkProgress) => void,
): Promise<string> {
  const { keep, method, fidelity } = settings;
  const fold = settings.fold && Math.min(FOLD_TOKENS, model.context_length);
  const body = { text, keep: `${keep}%`, method, fold, fidelity };
  const made = await api.work<MadeContext>("/v1/contexts", body, signal, onProgress);
  remember({ name: name === "" ? firstWords(text) : name, text, settings, made });
  return made.id;
}

/** What a pasted text is called. */
function firstWords(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return line.length <= 60 ? line : `${line.slice(0, 60).replace(/\s+\S*$/, "")}…`;
}
