import { Refusal } from "../http/refusal.ts";

export interface QueueLimits {
  readonly active: number;
  readonly waiting: number;
}

/** Ends a turn; a second call does nothing. */
export type Leave = () => void;

interface Waiter {
  start(): void;
  refuse(error: Refusal): void;
}

/**
 * A bounded queue in front of the model, fair between clients: a free place goes to the waiting client that holds the fewest,
 * of several to the one served longest ago. A full queue refuses the client that waits with the most, not whoever comes last.
 */
export class FairQueue {
  private readonly limits: QueueLimits;
  private readonly waiters = new Map<string, Waiter[]>();
  private readonly places = new Map<string, number>();
  private readonly servedAt = new Map<string, number>();
  private served = 0;
  private running = 0;
  private queued = 0;
  /** Mean seconds of a turn, for telling when to come back. */
  private turnSeconds = 1;

  constructor(limits: QueueLimits) {
    this.limits = limits;
  }

  get active(): number {
    return this.running;
  }

  get waiting(): number {
    return this.queued;
  }

  /** Seconds after which a place may be free. */
  get retryAfterSeconds(): number {
    return Math.min(60, Math.max(1, Math.ceil((this.turnSeconds * (this.queued + 1)) / this.limits.active)));
  }

  /**
   * Waits for a place.
   * @throws Refusal `queue-full`, at once or when a client that waits with fewer comes; the signal's reason when it is aborted
   */
  async enter(client: string, signal: AbortSignal): Promise<Leave> {
    signal.throwIfAborted();
    if (this.running >= this.limits.active) await this.wait(client, signal);
    else this.take(client);
    const begun = performance.now();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.turnSeconds += ((performance.now() - begun) / 1000 - this.turnSeconds) / 8;
      this.leave(client);
    };
  }

  private wait(client: string, signal: AbortSignal): Promise<void> {
    if (this.queued >= this.limits.waiting) this.makeRoomFor(client);
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

  /** Refuses the newest request of the client that waits with the most, or this one. */
  private makeRoomFor(client: string): void {
    const full = new Refusal("queue-full", `${this.queued} requests are waiting already`, {
      retryAfterSeconds: this.retryAfterSeconds,
    });
    let most: readonly Waiter[] = [];
    let greediest = client;
    for (const [name, own] of this.waiters) if (own.length > most.length) [greediest, most] = [name, own];
    const newest = most.at(-1);
    if (newest === undefined || most.length <= (this.waiters.get(client)?.length ?? 0) + 1) throw full;
    this.forget(greediest, newest);
    newest.refuse(full);
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
