import { Refusal } from "../http/refusal.ts";

export interface QueueLimits {
  readonly active: number;
  readonly waiting: number;
  /** Seconds that a request may wait for its turn. */
  readonly waitingSeconds: number;
}

/** Part of the longest wait that may be expected: turns differ, and what was expected of them is no promise. */
const EXPECTED_PART = 0.5;

/** Ends a turn; a second call does nothing. */
export type Leave = () => void;

interface Waiter {
  start(): void;
  refuse(error: Refusal): void;
}

/**
 * A bounded queue in front of the model, fair between clients: a free place goes to the waiting client that holds the fewest,
 * of several to the one served longest ago. A full queue refuses the client that waits with the most, not whoever comes last.
 * Full is also one whose last would wait too long, as turns have gone so far: better to be told at once than after a minute. Where turns become
 * slower those who wait are refused too, the newest first.
 */
export class FairQueue {
  private readonly limits: QueueLimits;
  private readonly waiters = new Map<string, Waiter[]>();
  private readonly places = new Map<string, number>();
  private readonly servedAt = new Map<string, number>();
  /** When the turns began that are going on. */
  private readonly begun = new Set<{ readonly at: number }>();
  private served = 0;
  private running = 0;
  private queued = 0;
  /** Mean seconds of the turns that have ended. Before the first one has, as many may wait as are at work. */
  private turnSeconds: number;

  constructor(limits: QueueLimits) {
    this.limits = limits;
    this.turnSeconds = EXPECTED_PART * limits.waitingSeconds;
  }

  get active(): number {
    return this.running;
  }

  get waiting(): number {
    return this.queued;
  }

  /** Seconds after which a place may be free. */
  get retryAfterSeconds(): number {
    return Math.min(60, Math.max(1, Math.ceil((this.expectedTurn() * (this.queued + 1)) / this.limits.active)));
  }

  /** How many may wait: as many as are expected to begin in time. */
  private get room(): number {
    return Math.min(this.limits.waiting, this.begunWithin(EXPECTED_PART * this.limits.waitingSeconds));
  }

  /** How many of those who wait are expected to have begun after so many seconds. */
  private begunWithin(seconds: number): number {
    return Math.floor((seconds * this.limits.active) / this.expectedTurn());
  }

  /** Seconds of a turn: as the last ones were, and no less than those at work have taken on average. */
  private expectedTurn(): number {
    const now = performance.now();
    let seconds = 0;
    for (const { at } of this.begun) seconds += (now - at) / 1000;
    return Math.max(this.turnSeconds, this.begun.size === 0 ? 0 : seconds / this.begun.size);
  }

  /**
   * Waits for a place.
   * @throws Refusal `queue-full`, at once, or when a client that waits with fewer comes or turns become slower; the signal's reason when it is aborted
   */
  async enter(client: string, signal: AbortSignal): Promise<Leave> {
    signal.throwIfAborted();
    if (this.running >= this.limits.active) await this.wait(client, signal);
    else this.take(client);
    const turn = { at: performance.now() };
    this.begun.add(turn);
    return () => {
      if (!this.begun.delete(turn)) return;
      this.turnSeconds += ((performance.now() - turn.at) / 1000 - this.turnSeconds) / 8;
      this.leave(client);
      this.thinOut();
    };
  }

  /**
   * Whether a request would be refused now, before any work is put into it.
   * @throws Refusal `queue-full`
   */
  check(client: string): void {
    if (this.running >= this.limits.active && this.queued >= this.room) this.checkGreed(client);
  }

  private wait(client: string, signal: AbortSignal): Promise<void> {
    if (this.queued >= this.room) this.makeRoomFor(client);
    return new Promise<void>((resolve, reject) => {
      const gone = (): void => {
        this.forget(client, waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        start: () => {
          signal.removeEventListener("abort", gone);
          resolve();
        },
        refuse: (error) => {
          signal.removeEventListener("abort", gone);
          reject(error);
        },
      };
      signal.addEventListener("abort", gone, { once: true });
      this.waiters.set(client, [...(this.waiters.get(client) ?? []), waiter]);
      this.queued++;
    });
  }

  /** Turns have become slower: refuses those who would wait longer than anybody may, rather than let them wait for that. */
  private thinOut(): void {
    while (this.queued > this.begunWithin(this.limits.waitingSeconds)) this.refuse(this.greediest());
  }

  /** Refuses the newest request of the client that waits with the most. @throws Refusal `queue-full` when that would be this one */
  private makeRoomFor(client: string): void {
    this.checkGreed(client);
    this.refuse(this.greediest());
  }

  /** @throws Refusal `queue-full` when nobody waits with more than this client would */
  private checkGreed(client: string): void {
    const waiting = this.waiters.get(client)?.length ?? 0;
    if ((this.waiters.get(this.greediest())?.length ?? 0) <= waiting + 1) throw this.full();
  }

  /** The client that waits with the most. */
  private greediest(): string {
    let [name, most] = ["", 0];
    for (const [client, { length }] of this.waiters) if (length > most) [name, most] = [client, length];
    return name;
  }

  /** Refuses a client's newest request. */
  private refuse(client: string): void {
    const waiter = this.waiters.get(client)?.at(-1);
    if (waiter === undefined) return;
    this.forget(client, waiter);
    waiter.refuse(this.full());
  }

  private full(): Refusal {
    const { retryAfterSeconds } = this;
    return new Refusal("queue-full", `${this.queued} requests are waiting already, as many as can be served in time`, {
      retryAfterSeconds,
    });
  }

  private forget(client: string, waiter: Waiter): void {
    const own = (this.waiters.get(client) ?? []).filter((other) => other !== waiter);
    if (own.length === 0) this.waiters.delete(client);
    else this.waiters.set(client, own);
    this.queued--;
  }

  private take(client: string): void {
    this.running++;
    this.places.set(client, (this.places.get(client) ?? 0) + 1);
    this.servedAt.set(client, ++this.served);
  }

  private leave(client: string): void {
    this.running--;
    const left = (this.places.get(client) ?? 1) - 1;
    if (left > 0) this.places.set(client, left);
    else this.places.delete(client);
    // Of clients that are gone nothing is remembered.
    if (left === 0 && !this.waiters.has(client) && this.queued === 0) this.servedAt.delete(client);
    const next = this.nextClient();
    const [waiter] = next === undefined ? [] : (this.waiters.get(next) ?? []);
    if (next === undefined || waiter === undefined) return;
    this.forget(next, waiter);
    this.take(next);
    waiter.start();
  }

  private nextClient(): string | undefined {
    const rank = (client: string): readonly [number, number] => [
      this.places.get(client) ?? 0,
      this.servedAt.get(client) ?? 0,
    ];
    return [...this.waiters.keys()].sort((a, b) => {
      const [placesA, servedA] = rank(a);
      const [placesB, servedB] = rank(b);
      return placesA - placesB || servedA - servedB;
    })[0];
  }
}
