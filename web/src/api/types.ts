// Answers of the server, as docs/server.md has them: the fields that the page uses.

export interface ModelFacts {
  readonly id: string;
  readonly context_length: number;
  readonly adapter: boolean;
  /** Names of methods that this server compresses by. */
  readonly methods: readonly string[];
}

export interface ContextFacts {
  readonly id: string;
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  readonly method: string;
  readonly tokens: number;
  readonly obtained: { readonly fraction: number; readonly tokens: number; readonly bytes: number };
  readonly rows: number;
  readonly key_value_bytes: number;
  readonly full_key_value_bytes: number;
  readonly file_bytes: number;
}

/** What is told once, when a context has been made. */
export interface MadeContext extends ContextFacts {
  readonly timings: {
    readonly waited_seconds: number;
    readonly compress_seconds: number;
    readonly tokens_per_second: number;
  };
  readonly warnings: readonly string[];
  readonly fidelity?: { readonly forward_kl: number; readonly top1: number; readonly tokens: number };
}

export interface TextPiece {
  readonly text: string;
  readonly level: number;
  readonly token: number;
  readonly score?: number;
  readonly held_by?: number;
}

export interface MarkedText {
  readonly levels: number;
  readonly heads: number;
  readonly scored: boolean;
  readonly shares: readonly number[];
  readonly pieces: readonly TextPiece[];
}

export interface WorkProgress {
  readonly tokens: number;
  readonly total: number;
  readonly fold?: number;
  readonly folds?: number;
}

export interface ConversationFacts {
  readonly id: string;
  readonly tokens: number;
  readonly rows: number;
  readonly key_value_bytes: number;
}

/** An event of an answer that streams. */
export interface AnswerChunk {
  readonly choices: readonly {
    readonly delta: { readonly content?: string };
    readonly finish_reason: "stop" | "length" | null;
  }[];
  readonly usage?: { readonly completion_tokens: number } | null;
  readonly conversation?: ConversationFacts;
  readonly error?: ErrorFacts;
}

export interface ErrorFacts {
  readonly message: string;
  readonly code: string;
}

interface AnyRun {
  readonly id: string;
  readonly name: string;
  readonly updated: number;
  readonly fault?: string;
  readonly model?: string;
}

export interface TrainingRun extends AnyRun {
  readonly kind: "training";
  readonly started?: string;
  readonly step?: number;
  readonly steps?: number;
  readonly examples?: number;
  readonly last?: { readonly loss: number; readonly forwardKl: number; readonly reverseKl: number };
}

export interface EvaluationRun extends AnyRun {
  readonly kind: "evaluation";
  readonly finished: boolean;
  readonly task?: string;
  readonly methods?: readonly string[];
  readonly keeps?: readonly number[];
  readonly questions?: number;
  readonly finished_at?: string;
}

export type Run = TrainingRun | EvaluationRun;

export interface List<T> {
  readonly data: readonly T[];
}

export interface RunList extends List<Run> {
  readonly shared: boolean;
  readonly more: boolean;
}
