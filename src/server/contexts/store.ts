import { mkdir, readdir, rm, stat, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describeKvd, type KvdDescription } from "../../cache/load-kvd.ts";
import { syncFolder } from "../../util/atomic-file.ts";
import { diskError } from "../../util/disk-error.ts";
import { isKvDistillError, messageOf } from "../../util/errors.ts";
import { formatBytes } from "../../util/format.ts";
import { tempOwner } from "../../util/temp-name.ts";
import type { Tenant } from "../access/tokens.ts";
import { Refusal } from "../http/refusal.ts";
import { CONTEXT_ID, type ContextId, newContextId } from "./context-id.ts";

/** A context on the disk, whole. */
export interface StoredContext {
  readonly id: ContextId;
  readonly tenant: Tenant;
  /** Never made from what a request says. */
  readonly path: string;
  readonly bytes: number;
  readonly description: KvdDescription;
  /** Unix time in milliseconds. */
  readonly usedAt: number;
}

export interface StoreOptions {
  readonly quotaBytes: number;
  /** Contexts of one tenant. */
  readonly contexts: number;
  readonly onEviction?: (evicted: StoredContext) => void;
  /** Told of files that are no contexts. */
  readonly onWarning?: (message: string) => void;
}

interface Entry extends StoredContext {
  usedAt: number;
  /** Readers of the file: it is not evicted meanwhile. */
  readers: number;
}

const TENANT = /^(local|[0-9a-f]{32})$/;

/**
 * Contexts on the disk: `FOLDER/TENANT/ID.kvd`, nothing beside them. A context exists when its file has its name, which is after it was
 * written and flushed, so what was acknowledged is whole, whenever the process dies. When a file was last used is its time of change.
 */
export class ContextStore {
  private readonly folder: string;
  private readonly options: StoreOptions;
  private readonly entries = new Map<ContextId, Entry>();
  /** Bytes of contexts that are being written. */
  private reserved = 0;

  private constructor(folder: string, options: StoreOptions) {
    this.folder = folder;
    this.options = options;
  }

  /**
   * Opens a folder, made when it is not there, and finds the contexts of earlier runs; what a killed process was writing is deleted.
   * @throws KvDistillError `disk`
   */
  static async open(folder: string, options: StoreOptions): Promise<ContextStore> {
    const store = new ContextStore(folder, options);
    await onDisk(folder, "cannot make the folder", () => mkdir(folder, { recursive: true, mode: 0o700 }));
    for (const tenant of await onDisk(folder, "cannot list the contexts", () => readdir(folder))) {
      if (TENANT.test(tenant)) await store.find(tenant);
    }
    await store.makeRoom(0);
    return store;
  }

  get count(): number {
    return this.entries.size;
  }

  get bytes(): number {
    return this.reserved + sum(this.entries.values());
  }

  /** Contexts of a tenant, the newest first. */
  list(tenant: Tenant): readonly StoredContext[] {
    return [...this.entries.values()].filter((entry) => entry.tenant === tenant).sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  /**
   * One context of a tenant.
   * @throws Refusal `not-found`, also for another tenant's
   */
  get(tenant: Tenant, id: string): StoredContext {
    return this.entry(tenant, id);
  }

  /**
   * Stores a context.
   * @param bytes at most so many will be written
   * @param write writes the file, flushed and whole or not at all
   * @throws Refusal `too-large` over the quota, `too-many`; what `write` throws
   */
  async add(tenant: Tenant, bytes: number, write: (path: string) => Promise<void>): Promise<StoredContext> {
    const { quotaBytes, contexts } = this.options;
    if (this.list(tenant).length >= contexts) {
      throw new Refusal("too-many", `there are ${contexts} contexts: delete some`);
    }
    if (bytes > quotaBytes) {
      throw new Refusal(
        "too-large",
        `the context takes ${formatBytes(bytes)}, the quota is ${formatBytes(quotaBytes)}`,
      );
    }
    this.reserved += bytes;
    try {
      await this.makeRoom(0);
      const id = newContextId();
      const folder = join(this.folder, tenant);
      await onDisk(folder, "cannot make the folder", () => mkdir(folder, { recursive: true, mode: 0o700 }));
      await syncFolder(this.folder);
      const path = join(folder, `${id}.kvd`);
      await write(path);
      return await this.admit(tenant, id, path);
    } finally {
      this.reserved -= bytes;
    }
  }

  /**
   * Reads a context's file; it stays where it is meanwhile, and counts as used.
   * @throws Refusal `not-found`; what `read` throws
   */
  async use<T>(tenant: Tenant, id: string, read: (context: StoredContext) => Promise<T>): Promise<T> {
    const entry = this.entry(tenant, id);
    entry.readers++;
    entry.usedAt = Date.now();
    try {
      const seconds = entry.usedAt / 1000;
      // The order of use of earlier runs is a help for eviction, no more.
      await utimes(entry.path, seconds, seconds).catch(() => undefined);
      return await read(entry);
    } finally {
      entry.readers--;
    }
  }

  /** @throws Refusal `not-found`; KvDistillError `disk` */
  async remove(tenant: Tenant, id: string): Promise<void> {
    await this.drop(this.entry(tenant, id));
  }

  private entry(tenant: Tenant, id: string): Entry {
    const entry = this.entries.get(id);
    if (entry?.tenant !== tenant) throw new Refusal("not-found", "there is no such context", { param: "context" });
    return entry;
  }

  private async find(tenant: Tenant): Promise<void> {
    const folder = join(this.folder, tenant);
    for (const name of await onDisk(folder, "cannot list the contexts", () => readdir(folder))) {
      const path = join(folder, name);
      if (tempOwner(name)?.alive === false) await rm(path, { force: true });
      const id = name.endsWith(".kvd") ? name.slice(0, -".kvd".length) : "";
      if (!CONTEXT_ID.test(id)) continue;
      try {
        await this.admit(tenant, id, path);
      } catch (error) {
        if (!isKvDistillError(error)) throw error;
        this.options.onWarning?.(`a stored context is left out: ${messageOf(error)}`);
      }
    }
  }

  private async admit(tenant: Tenant, id: ContextId, path: string): Promise<StoredContext> {
    const description = await describeKvd(path);
    const { mtimeMs } = await onDisk(path, "cannot look at the file", () => stat(path));
    const entry: Entry = { id, tenant, path, bytes: description.fileSize, description, usedAt: mtimeMs, readers: 0 };
    this.entries.set(id, entry);
    return entry;
  }

  /** Deletes contexts until `bytes` more fit: the least recently used of the tenant that holds the most. */
  private async makeRoom(bytes: number): Promise<void> {
    while (this.bytes + bytes > this.options.quotaBytes) {
      const idle = [...this.entries.values()].filter(({ readers }) => readers === 0);
      const held = (tenant: Tenant): number => sum(idle.filter((entry) => entry.tenant === tenant));
      const tenants = [...new Set(idle.map(({ tenant }) => tenant))].sort((a, b) => held(b) - held(a));
      const [oldest] = idle.filter(({ tenant }) => tenant === tenants[0]).sort((a, b) => a.usedAt - b.usedAt);
      if (oldest === undefined) {
        throw new Refusal("too-many", "the quota is used up by contexts that are being read", { retryAfterSeconds: 5 });
      }
      await this.drop(oldest);
      this.options.onEviction?.(oldest);
    }
  }

  private async drop({ id, path }: Entry): Promise<void> {
    // First, so that nobody else deletes it too.
    this.entries.delete(id);
    await onDisk(path, "cannot delete the context", () => unlink(path));
    await syncFolder(join(path, ".."));
  }
}

function sum(entries: Iterable<StoredContext>): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.bytes;
  return bytes;
}

async function onDisk<T>(path: string, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(error, path, doing);
  }
}
