import { KvDistillError } from "../util/errors.ts";
import { engineError } from "./engine-error.ts";
import type { Kind, Message, Reply, RequestOf, ResultOf } from "./messages.ts";

export interface CallFacts {
  /** What the call is about, for errors. */
  readonly where: string;
  /** Bytes that the call allocates, for out-of-memory errors. */
  readonly askedBytes?: number;
  /** Memory handed over to the worker rather than copied. */
  readonly transfer?: readonly ArrayBuffer[];
}

/** Calls into one worker, answered in the order in which they are made. */
export interface Channel {
  call<K extends Kind>(kind: K, request: RequestOf<K>, facts: CallFacts): Promise<ResultOf<K>>;
  /** For calls that free something. It never fails: a worker that is gone has freed everything. */
  free<K extends "unload" | "release">(kind: K, request: RequestOf<K>): Promise<void>;
  /** Ends the worker once the work in progress is done; pending calls fail with `cancelled`. */
  close(): Promise<void>;
}

interface Pending {
  settle(reply: Reply): void;
  fail(error: KvDistillError): void;
}

/** A worker that answers `Message` with `Reply`, as a channel sees it. */
export interface Port {
  /** @param transfer memory that is handed over */
  post(message: Message, transfer: readonly ArrayBuffer[]): void;
  /** Called once, before anything is posted. */
  listen(listeners: {
    readonly reply: (reply: Reply) => void;
    /** The worker is gone. */
    readonly crash: (got: string, cause?: unknown) => void;
  }): void;
  /** Whether the worker keeps the process alive. */
  hold(held: boolean): void;
  /** Ends the worker once the work in progress is done; called once. */
  end(): Promise<void>;
}

/**
 * Talks to a worker. A worker without pending calls does not keep the process alive.
 * Calls fail with `bad-argument` after `close`, with `engine` once the worker has crashed.
 */
export function openChannel(port: Port): Channel {
  const pending = new Map<number, Pending>();
  let nextCall = 0;
  let gone: KvDistillError | undefined;
  let closing: Promise<void> | undefined;

  const end = (pendingError: KvDistillError, laterError: KvDistillError): void => {
    if (gone !== undefined) return;
    gone = laterError;
    for (const call of pending.values()) call.fail(pendingError);
    pending.clear();
  };

  port.listen({
    reply: (reply) => {
      pending.get(reply.callId)?.settle(reply);
      pending.delete(reply.callId);
      // Answers to calls that closing has given up must not let the process end before the worker does.
      if (pending.size === 0 && closing === undefined) port.hold(false);
    },
    crash: (got, cause) => {
      const crash = crashError(got, cause);
      end(crash, crash);
    },
  });

  function call<K extends Kind>(kind: K, request: RequestOf<K>, facts: CallFacts): Promise<ResultOf<K>> {
    if (gone !== undefined) return Promise.reject(gone);
    const callId = nextCall++;
    return new Promise((resolve, fail) => {
      const message: Message<K> = { callId, kind, request };
      port.post(message, facts.transfer ?? []);
      if (pending.size === 0) port.hold(true);
      const settle = (reply: Reply): void => {
        if ("thrown" in reply) fail(engineError(reply.thrown, facts.where, facts.askedBytes));
        else resolve(reply.result);
      };
      pending.set(callId, { settle, fail });
    });
  }

  const free: Channel["free"] = (kind, request) =>
    call(kind, request, { where: kind }).catch(() => {
      // nothing is left to free
    });

  function close(): Promise<void> {
    end(
      new KvDistillError("cancelled", "the runtime was closed before the call was done"),
      new KvDistillError("bad-argument", "the runtime is closed", { hint: "create another with createRuntime()" }),
    );
    closing ??= port.end();
    return closing;
  }

  return { call, free, close };
}

function crashError(got: string, cause?: unknown): KvDistillError {
  return new KvDistillError("engine", "the engine's worker stopped", {
    got,
    ...(cause === undefined ? {} : { cause }),
  });
}
