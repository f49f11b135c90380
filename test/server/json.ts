/** Everything that a test may look for in an answer; which fields are there is what the tests find out. */
export interface Json {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly model: string;
  readonly method: string;
  readonly tokens: number;
  readonly total: number;
  readonly rows: number;
  readonly status: string;
  readonly deleted: boolean;
  readonly file_bytes: number;
  readonly compressed_tokens: number;
  readonly kept_tokens: number;
  readonly rows_before: number;
  readonly rows_after: number;
  readonly span: { readonly start: number; readonly end: number };
  readonly obtained: { readonly tokens: number };
  readonly fidelity: { readonly forward_kl: number; readonly top1: number; readonly questions: number };
  readonly timings: { readonly compress_seconds: number };
  readonly messages: readonly { readonly role: string; readonly tokens: number }[];
  readonly data: readonly Json[];
  readonly error: { readonly code: string; readonly message: string; readonly type: string; readonly param: string };
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
    readonly prompt_tokens_details: {
      readonly cached_tokens: number;
      readonly compressed_tokens: number;
      readonly kept_tokens: number;
    };
  };
  readonly choices: readonly {
    readonly finish_reason: string | null;
    readonly text: string;
    readonly message: { readonly content: string };
    readonly delta?: { readonly content?: string };
  }[];
  readonly conversation: Json;
}

/** The JSON of a text. */
export function parseJson(text: string): Json {
  return JSON.parse(text) as Json;
}

export async function jsonOf(response: Response): Promise<Json> {
  return parseJson(await response.text());
}
