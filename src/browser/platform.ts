/**
 * What is used of a browser beyond what Node has too. Typed here and not by TypeScript's DOM library, which would be known in every
 * file of the package.
 */
export interface WebWorker {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  addEventListener(type: "message" | "messageerror", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: "error",
    listener: (event: { readonly message?: string; readonly error?: unknown }) => void,
  ): void;
  terminate(): void;
}

/** The inside of a worker. */
export interface WorkerScope {
  readonly name?: string;
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** https://developer.mozilla.org/docs/Web/API/Cache */
export interface WebCache {
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
  delete(url: string): Promise<boolean>;
}

export interface WebPlatform {
  readonly caches?: {
    open(name: string): Promise<WebCache>;
    delete(name: string): Promise<boolean>;
  };
  readonly navigator?: {
    readonly hardwareConcurrency?: number;
    readonly gpu?: { requestAdapter(): Promise<object | null> };
  };
  readonly crossOriginIsolated?: boolean;
  readonly location?: { readonly href: string };
  readonly Worker?: new (url: URL, options: { readonly type: "module"; readonly name?: string }) => WebWorker;
}

export const platform = globalThis as unknown as WebPlatform;
