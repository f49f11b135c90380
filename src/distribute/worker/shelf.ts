import { attachAdapter, type LoadedAdapter } from "../../compress/loaded-adapter.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { getAdapter, type StoredAdapter } from "../store/adapter.ts";
import type { Store } from "../store/store.ts";

/** The one adapter that a worker holds where its model runs: jobs of a run ask for the same again and again. */
export class AdapterShelf {
  private readonly model: LanguageModel;
  private readonly store: Store;
  private held: { readonly hash: string; readonly loaded: LoadedAdapter } | undefined;

  constructor(model: LanguageModel, store: Store) {
    this.model = model;
    this.store = store;
  }

  /** @throws KvDistillError as `getAdapter` */
  async take(stored: StoredAdapter, scratch: string): Promise<LoadedAdapter> {
    if (this.held?.hash === stored.hash) return this.held.loaded;
    const adapter = await getAdapter(this.store, stored, this.model.files, scratch);
    this.clear();
    const loaded = await attachAdapter(this.model, adapter);
    this.held = { hash: stored.hash, loaded };
    return loaded;
  }

  clear(): void {
    this.held?.loaded.release();
    this.held = undefined;
  }
}
