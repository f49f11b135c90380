import type { MadeContext, WorkProgress } from "./api/types.ts";
import type { CompressSettings, Draft, Session } from "./session.ts";

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
  { api, remember }: Pick<Session, "api" | "remember">,
  { name, text }: Draft,
  settings: CompressSettings,
  signal: AbortSignal,
  onProgress: (progress: WorkProgress) => void,
): Promise<string> {
  const { keep, method, fold, fidelity } = settings;
  const body = { text, keep: `${keep}%`, method, fold, fidelity };
  const made = await api.work<MadeContext, WorkProgress>("/v1/contexts", body, signal, onProgress);
  remember({ name, text, settings, made });
  return made.id;
}
