import { readFile } from "node:fs/promises";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** What the server counts, for Prometheus. Names of routes, never of contexts or clients. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<"route" | "method" | "status">;
  readonly seconds: Histogram<"route">;
  readonly tokens: Counter<"kind">;
  readonly evictions: Counter;
}

/** What is read when the metrics are asked for. */
export interface MeasuredState {
  readonly active: () => number;
  readonly waiting: () => number;
  readonly contexts: () => number;
  readonly contextBytes: () => number;
  readonly conversations: () => number;
}

const SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: "kv_distill_http_requests_total",
      help: "Requests answered",
      labelNames: ["route", "method", "status"],
      registers,
    }),
    seconds: new Histogram({
      name: "kv_distill_http_request_seconds",
      help: "From a request's arrival to the start of its answer",
      labelNames: ["route"],
      buckets: SECONDS,
      registers,
    }),
    tokens: new Counter({
      name: "kv_distill_tokens_total",
      help: "Tokens: prompt (read for an answer), answer (given), compressed (of contexts)",
      labelNames: ["kind"],
      registers,
    }),
    evictions: new Counter({
      name: "kv_distill_context_evictions_total",
      help: "Contexts deleted to stay within the quota",
      registers,
    }),
  };
}

/** Adds gauges of what the server holds. */
export function measureState({ registry }: Metrics, state: MeasuredState): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  gauge("kv_distill_requests_active", "Requests that the model works on", state.active);
  gauge("kv_distill_requests_waiting", "Requests that wait for the model", state.waiting);
  gauge("kv_distill_contexts", "Stored contexts", state.contexts);
  gauge("kv_distill_context_bytes", "Bytes of stored contexts", state.contextBytes);
  gauge("kv_distill_conversations", "Live conversations", state.conversations);
}

/** Adds what the process uses: memory, CPU, the event loop's lag. Once a process. */
export function collectProcessMetrics({ registry }: Metrics): void {
  collectDefaultMetrics({ register: registry });
  if (process.platform !== "linux") return;
  new Gauge({
    name: "kv_distill_private_memory_bytes",
    help: "Resident memory without mapped files: the weights' file is mapped once a graph, and each time counted as resident",
    registers: [registry],
    async collect() {
      const kilobytes = /^RssAnon:\s*(\d+) kB$/m.exec(await readFile("/proc/self/status", "utf8"))?.[1];
      if (kilobytes !== undefined) this.set(1024 * Number(kilobytes));
    },
  });
}
