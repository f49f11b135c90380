import { ApiError, type Api } from "../api/api.ts";
import type { ConversationFacts, WorkProgress } from "../api/types.ts";

/** The caches that answer: the stored one, and the whole text read without compressing. */
export const SIDES = ["distilled", "full"] as const;
export type Side = (typeof SIDES)[number];

export interface OpenConversation {
  readonly facts: ConversationFacts;
  /** Seconds until it could be asked. */
  readonly seconds: number;
}

/** The conversations of a chat about one context, opened when they are first asked. */
export class ChatConversations {
  private readonly api: Api;
  private readonly context: string;
  private readonly open = new Map<Side, OpenConversation>();

  constructor(api: Api, context: string) {
    this.api = api;
    this.context = context;
  }

  /** @param onProgress told how far the text has been read */
  async get(side: Side, signal: AbortSignal, onProgress: (progress: WorkProgress) => void): Promise<OpenConversation> {
    const known = this.open.get(side);
    if (known !== undefined) return known;
    const begun = performance.now();
    const body = { context: this.context, full: side === "full" };
    const facts = await this.api.work<ConversationFacts>("/v1/conversations", body, signal, onProgress);
    const opened = { facts, seconds: (performance.now() - begun) / 1000 };
    this.open.set(side, opened);
    return opened;
  }

  /** After an error: whether the server has ended the conversation; what was said is lost then. */
  ended(side: Side, error: unknown): boolean {
    return error instanceof ApiError && error.status === 404 && this.open.delete(side);
  }

  /** Frees their memory on the server. @param leaving the page is being left */
  close(leaving = false): void {
    const ids = [...this.open.values()].map(({ facts }) => facts.id);
    this.open.clear();
    for (const id of ids) {
      // One that has ended by itself is gone already.
      this.api.json("DELETE", `/v1/conversations/${id}`, { keepalive: leaving }).catch(() => undefined);
    }
  }
}
