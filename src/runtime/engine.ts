import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { bytesOf, copyOf } from "../tensor/bytes.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";
import type { Feed, Kind, RequestOf, ResultOf, Signature, TensorType, ValueType } from "./messages.ts";
import type { Settings } from "./options.ts";
import { fromOrt, toOrt } from "./ort-tensor.ts";
import { copyRows, takeRows } from "./row-copy.ts";
import { copySlice } from "./slice.ts";

type Handlers = { readonly [K in Kind]: (request: RequestOf<K>) => ResultOf<K> | Promise<ResultOf<K>> };

/** A build of ONNX Runtime: for Node or for browsers. */
export interface OrtBuild {
  readonly createSession: (
    bytes: Uint8Array,
    request: Omit<RequestOf<"load">, "bytes" | "weights">,
    /** External-data files that are in memory, by name. */
    weights: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  ) => Promise<InferenceSession>;
  readonly Tensor: typeof OrtTensor;
  /** Names of the devices that it was built for, whether they work or not. */
  readonly devices: () => readonly string[];
}

export interface Engine {
  readonly handlers: Handlers;
  /** Writes the traces of all sessions, where `Settings.profile` asks for them. */
  readonly endTraces: () => void;
}

/** The worker's side: sessions and resident tensors by id. The main thread has checked every request. */
export function createEngine({ profile }: Pick<Settings, "profile">, ort: OrtBuild): Engine {
  const sessions = new Map<number, InferenceSession>();
  const residents = new Map<number, Tensor>();
  const valueOf = (feed: Feed): Tensor => ("residentId" in feed ? present(residents, feed.residentId) : feed);

  const handlers: Handlers = {
    devices: () => ort.devices(),

    load: async ({ bytes, weights, ...request }) => {
      const files = Object.entries(weights).map(([name, id]) => [name, bytesOf(present(residents, id))] as const);
      const session = await ort.createSession(bytes, request, new Map(files));
      sessions.set(request.programId, session);
      return signatureOf(session);
    },

    unload: async ({ programId }) => {
      const session = present(sessions, programId);
      if (profile !== undefined) session.endProfiling();
      await session.release();
      sessions.delete(programId);
    },

    run: async ({ programId, feeds, keep }) => {
      const values = Object.fromEntries(
        Object.entries(feeds).map(([name, feed]) => [name, toOrt(ort.Tensor, valueOf(feed))]),
      );
      const tensors: Record<string, Tensor> = {};
      const kept: Record<string, TensorType> = {};
      for (const [name, value] of Object.entries(await present(sessions, programId).run(values))) {
        const output = fromOrt(value);
        const residentId = keep[name];
        if (residentId === undefined) {
          tensors[name] = output;
        } else {
          residents.set(residentId, output);
          kept[name] = { dtype: output.dtype, dims: output.dims };
        }
      }
      return { tensors, kept };
    },

    upload: ({ residentId, tensor }) => {
      residents.set(residentId, tensor);
    },

    allocate: ({ residentId, dtype, dims }) => {
      residents.set(residentId, zeros(dtype, dims));
    },

    writeSlice: ({ targetId, axis, at, source }) => {
      copySlice(present(residents, targetId), axis, at, valueOf(source));
    },

    copyRows: ({ copies }) => {
      for (const { targetId, sourceId, pieces } of copies) {
        copyRows(present(residents, targetId), present(residents, sourceId), pieces);
      }
    },

    download: ({ residentId, rows }) => {
      const tensor = present(residents, residentId);
      return rows === undefined ? copyOf(tensor) : takeRows(tensor, rows);
    },

    release: ({ residentId }) => {
      residents.delete(residentId);
    },
  };
  return {
    handlers,
    endTraces: () => {
      if (profile === undefined) return;
      for (const session of sessions.values()) session.endProfiling();
    },
  };
}

function signatureOf({ inputMetadata, outputMetadata }: InferenceSession): Signature {
  return { inputs: inputMetadata.map(valueType), outputs: outputMetadata.map(valueType) };
}

function valueType(metadata: InferenceSession.ValueMetadata): ValueType {
  if (!metadata.isTensor) return { name: metadata.name, dtype: "not a tensor", dims: [] };
  return { name: metadata.name, dtype: metadata.type, dims: metadata.shape };
}

function present<T>(map: ReadonlyMap<number, T>, id: number): T {
  const value = map.get(id);
  if (value === undefined) throw new Error(`the worker has nothing under id ${id}`);
  return value;
}
