import { randomBytes } from "node:crypto";
import { keyValueBytes } from "../../cache/kv-cache.ts";
import type { ModelConfig } from "../../models/config.ts";
import type { Tenant } from "../access/tokens.ts";
import { Refusal } from "../http/refusal.ts";
import type { Conversation } from "./conversation.ts";

export const CONVERSATION_ID = /^conv_[0-9a-f]{24}$/;

export interface ConversationLimits {
  /** Conversations of one tenant. */
  readonly conversations: number;
  /** Bytes of all their caches. */
  readonly conversationBytes: number;
}

/** A conversation that is held for a tenant. */
export interface HeldConversation {
  readonly id: string;
  readonly tenant: Tenant;
  /** Unix time in seconds. */
  readonly created: number;
  readonly conversation: Conversation;
}

interface Entry extends HeldConversation {
  usedAt: number;
  busy: boolean;
}

const ROW_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Live conversations. They are held in memory: those not used for longest end when another needs the room, all when the server does. */
export class Conversations {
  private readonly config: ModelConfig;
  private readonly limits: ConversationLimits;
  private readonly entries = new Map<string, Entry>();
  private uses = 0;

  constructor(config: ModelConfig, limits: ConversationLimits) {
    this.config = config;
    this.limits = limits;
  }

  get count(): number {
    return this.entries.size;
  }

  list(tenant: Tenant): readonly HeldConversation[] {
    return [...this.entries.values()].filter((entry) => entry.tenant === tenant);
  }

  /** @throws Refusal `not-found`, also for another tenant's */
  get(tenant: Tenant, id: string): HeldConversation {
    return this.entry(tenant, id);
  }

  /** @throws Refusal `too-many` */
  checkCount(tenant: Tenant): void {
    const { conversations } = this.limits;
    if (this.list(tenant).length < conversations) return;
    throw new Refusal("too-many", `there are ${conversations} conversations: delete some`);
  }

  /** Holds a new conversation. */
  add(tenant: Tenant, conversation: Conversation): HeldConversation {
    const id = `conv_${randomBytes(12).toString("hex")}`;
    const created = Math.floor(Date.now() / 1000);
    const entry: Entry = { id, tenant, created, conversation, usedAt: ++this.uses, busy: false };
    this.entries.set(id, entry);
    return entry;
  }

  /**
   * Takes a conversation for one request; nobody else gets it meanwhile.
   * @returns gives it back; a second call does nothing
   * @throws Refusal `not-found`, `busy`
   */
  take(tenant: Tenant, id: string): { readonly held: HeldConversation; readonly giveBack: () => void } {
    const entry = this.entry(tenant, id);
    if (entry.busy) throw new Refusal("busy", "the conversation is at work on another request");
    entry.busy = true;
    entry.usedAt = ++this.uses;
    return {
      held: entry,
      giveBack: () => {
        entry.busy = false;
      },
    };
  }

  /**
   * Makes room for rows that are about to be read: ends the conversations not used for longest.
   * @param own conversation that needs the rows
   * @throws Refusal `too-many` when all others are at work
   */
  makeRoom(rows: number, own?: Conversation): void {
    const { conversationBytes } = this.limits;
    const needed = keyValueBytes(this.config, rows, ROW_BYTES);
    while (this.bytes() + needed > conversationBytes) {
      const idle = [...this.entries.values()].filter(({ busy, conversation }) => !busy && conversation !== own);
      const [oldest] = idle.sort((a, b) => a.usedAt - b.usedAt);
      if (oldest === undefined) {
        throw new Refusal("too-many", "the memory for conversations is used up", { retryAfterSeconds: 10 });
      }
      this.drop(oldest);
    }
  }

  /** @throws Refusal `not-found`, `busy` */
  remove(tenant: Tenant, id: string): void {
    const entry = this.entry(tenant, id);
    if (entry.busy) throw new Refusal("busy", "the conversation is at work on a request");
    this.drop(entry);
  }

  private bytes(): number {
    let rows = 0;
    for (const { conversation } of this.entries.values()) rows += conversation.live.rows.reservedRows;
    return keyValueBytes(this.config, rows, ROW_BYTES);
  }

  private entry(tenant: Tenant, id: string): Entry {
    const entry = this.entries.get(id);
    if (entry?.tenant !== tenant) {
      throw new Refusal(
        "not-found",
        "there is no such conversation; one that is not used ends when its memory is needed",
      );
    }
    return entry;
  }

  private drop({ id, conversation }: Entry): void {
    this.entries.delete(id);
    conversation.release();
  }
}
