import type { DType, Tensor } from "../tensor/tensor.ts";

/** What the main thread may ask of the worker, one entry for each kind of call. The main thread gives out the ids. */
export interface Calls {
  /** Names of the devices that ONNX Runtime was built for here, whether they work or not. */
  devices: { request: undefined; result: readonly string[] };
  load: {
    request: {
      readonly programId: number;
      /** For traces. */
      readonly name: string;
      readonly bytes: Uint8Array;
      /** Real path (no links) of the folder of the external-data files. */
      readonly weightsFolder: string | undefined;
      /** Ids of residents that stand for external-data files, by the names that the program gives these. */
      readonly weights: Readonly<Record<string, number>>;
      readonly prepack: boolean;
    };
    result: Signature;
  };
  run: {
    request: {
      readonly programId: number;
      readonly feeds: Readonly<Record<string, Feed>>;
      /** Outputs that stay in the worker, with the ids that they get. */
      readonly keep: Readonly<Record<string, number>>;
    };
    result: {
      readonly tensors: Readonly<Record<string, Tensor>>;
      readonly kept: Readonly<Record<string, TensorType>>;
    };
  };
  unload: { request: { readonly programId: number }; result: undefined };
  upload: { request: { readonly residentId: number; readonly tensor: Tensor }; result: undefined };
  allocate: { request: { readonly residentId: number } & TensorType; result: undefined };
  writeSlice: {
    request: { readonly targetId: number; readonly axis: number; readonly at: number; readonly source: Feed };
    result: undefined;
  };
  copyRows: {
    request: {
      readonly copies: readonly {
        readonly targetId: number;
        readonly sourceId: number;
        readonly pieces: readonly RowPiece[];
      }[];
    };
    result: undefined;
  };
  download: {
    request: {
      readonly residentId: number;
      /** Rows to copy; all of the tensor when left out. */
      readonly rows: Int32Array<ArrayBuffer> | undefined;
    };
    result: Tensor;
  };
  release: { request: { readonly residentId: number }; result: undefined };
}

export type Kind = keyof Calls;
export type RequestOf<K extends Kind> = Calls[K]["request"];
export type ResultOf<K extends Kind> = Calls[K]["result"];

/** Rows of one sequence, and where in another array, or the same, they go. */
export interface RowPiece {
  readonly from: number;
  readonly fromRow: number;
  readonly to: number;
  readonly toRow: number;
  readonly rows: number;
}

/** A tensor sent along, or the id of one that is in the worker already. */
export type Feed = Tensor | { readonly residentId: number };

export interface TensorType {
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** Names, element types and shapes of a program's inputs and outputs; ONNX Runtime's names for element types. */
export interface Signature {
  readonly inputs: readonly ValueType[];
  readonly outputs: readonly ValueType[];
}

export interface ValueType {
  readonly name: string;
  readonly dtype: string;
  /** A dimension without a fixed size is a symbol, empty when it has no name. */
  readonly dims: readonly (number | string)[];
}

export interface Message<K extends Kind = Kind> {
  readonly callId: number;
  readonly kind: K;
  readonly request: RequestOf<K>;
}

export type Reply =
  { readonly callId: number; readonly result: ResultOf<Kind> } | { readonly callId: number; readonly thrown: string };
