import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Api } from "./api/api.ts";
import type { MadeContext, ModelFacts } from "./api/types.ts";

/** A document that was compressed from this page, as long as the page is open. */
export interface KnownDocument {
  readonly name: string;
  readonly text: string;
  readonly settings: CompressSettings;
  readonly made: MadeContext;
}

/** How to compress. */
export interface CompressSettings {
  /** Percent. */
  readonly keep: number;
  readonly method: string;
  /** In folds, for texts longer than the model reads. */
  readonly fold: boolean;
  /** Compare with the full cache. */
  readonly fidelity: boolean;
}

/** What is being written in the first view; it stays there while other views are looked at. */
export interface Draft {
  readonly name: string;
  readonly text: string;
}

/** What all views work with. */
export interface Session {
  readonly api: Api;
  readonly model: ModelFacts;
  readonly documents: ReadonlyMap<string, KnownDocument>;
  readonly remember: (document: KnownDocument) => void;
  readonly draft: Draft;
  readonly setDraft: (draft: Draft) => void;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error("there is no session around this view");
  return session;
}
