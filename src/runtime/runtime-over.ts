import { byteCount, copyOf } from "../tensor/bytes.ts";
import { type DType, type Tensor, tensor as checkedTensor } from "../tensor/tensor.ts";
import type { Channel } from "./channel.ts";
import { checkDims } from "./dims.ts";
import { allocating } from "./engine-error.ts";
import type { EngineDevice, Settings } from "./options.ts";
import { createProgram, type Program } from "./program.ts";
import type { FileSource } from "./read-tensor.ts";
import type { RowPiece } from "./messages.ts";
import { createResidents, type Resident } from "./residents.ts";
import { checkRows, checkTaken } from "./row-copy.ts";
import { checkSignature } from "./signature.ts";
import { checkSlice } from "./slice.ts";

export interface OnnxProgram {
  readonly bytes: Uint8Array;
  /** What errors call it. Default `program`. */
  readonly name?: string;
  /**
   * Folder of the external-data files, which the program names without a folder. The folder may be a link, the files
   * in it may not: give the folder and name of the file that a link leads to.
   */
  readonly weightsFolder?: string;
  /**
   * Residents that stand for external-data files, by the names that the program gives these: for an engine that maps no files. They are
   * read while the program loads and may be released afterwards.
   */
  readonly weights?: ReadonlyMap<string, Resident>;
  /**
   * Whether matrices are rearranged for speed when loading. Off by default: rearranged weights are private to the
   * session, while untouched external data is memory-mapped and shared by all sessions.
   */
  readonly prepack?: boolean;
}

/**
 * ONNX Runtime in a thread of its own. Calls are executed one after the other, in the order in which they are made, and
 * never block the caller's event loop. An idle runtime does not keep the process alive.
 *
 * Any call may fail with `out-of-memory`, `engine`, `cancelled` (closed meanwhile) and `bad-argument` (closed before).
 */
export interface Runtime {
  readonly device: EngineDevice;
  readonly threads: number;
  /** @throws KvDistillError `not-found` for the weights' folder, `engine` for a bad program, `unsupported` */
  load(program: OnnxProgram): Promise<Program>;
  /** @throws KvDistillError `shape-mismatch` when the data does not fill the shape */
  upload(tensor: Tensor): Promise<Resident>;
  /** @throws KvDistillError `not-found`, `disk`, `bad-file`, `bad-argument` */
  uploadFromFile(source: FileSource): Promise<Resident>;
  /** Zeros. */
  allocate(dtype: DType, dims: readonly number[]): Promise<Resident>;
  /**
   * target[..., at : at + n, ...] = source along `axis`, n = source.dims[axis]; nothing else of the target is copied.
   * @throws KvDistillError `bad-argument` for axis and position, `shape-mismatch`
   */
  writeSlice(target: Resident, axis: number, at: number, source: Tensor | Resident): Promise<void>;
  /**
   * target[to, :, toRow : toRow + rows] = source[from, :, fromRow : fromRow + rows] for every piece of every copy, of arrays
   * [sequences, heads, rows, width]. A target is not its own source.
   * @throws KvDistillError `bad-argument` for a piece outside an array, `shape-mismatch`
   */
  copyRows(copies: readonly RowCopy[]): Promise<void>;
  /**
   * A copy.
   * @param rows of an array [..., rows, width] those to copy, numbered through all of it: the copy is [how many, width]. Their array is handed over.
   * @throws KvDistillError `bad-argument` for a row outside the array
   */
  download(resident: Resident, rows?: Int32Array<ArrayBuffer>): Promise<Tensor>;
  /** Frees everything and ends the thread, after the run in progress. Pending calls fail with `cancelled` at once. */
  close(): Promise<void>;
}

/** Rows that are copied from one array to another. */
export interface RowCopy {
  readonly target: Resident;
  readonly source: Resident;
  readonly pieces: readonly RowPiece[];
}

/** What a runtime reads from disk, where there is one. */
export interface Disk {
  /** A folder's path without links. */
  realFolder(path: string): Promise<string>;
  readTensor(source: FileSource): Promise<Tensor>;
}

/** The calls of a runtime, made to an engine at the other end of a channel. */
export function runtimeOver(channel: Channel, settings: Settings, disk: Disk): Runtime {
  const table = createResidents((residentId) => void channel.free("release", { residentId }));
  let nextProgram = 0;

  async function load({
    bytes,
    name = "program",
    weightsFolder,
    weights,
    prepack = false,
  }: OnnxProgram): Promise<Program> {
    const folder = weightsFolder === undefined ? undefined : await disk.realFolder(weightsFolder);
    const ids = Object.fromEntries(
      [...(weights ?? [])].map(([file, own]) => [file, table.idOf(own, `${name}, ${file}`)]),
    );
    const programId = nextProgram++;
    const sent = allocating(name, bytes.length, () => new Uint8Array(bytes));
    const request = { programId, name, bytes: sent, weightsFolder: folder, weights: ids, prepack };
    const signature = await channel.call("load", request, { where: name, transfer: [sent.buffer] });
    try {
      checkSignature(name, signature);
    } catch (error) {
      await channel.free("unload", { programId });
      throw error;
    }
    return createProgram(channel, table, { where: name, programId, signature });
  }

  /** Hands the tensor's memory over to the worker. */
  async function handOver(tensor: Tensor): Promise<Resident> {
    const residentId = table.newId();
    await channel.call("upload", { residentId, tensor }, { where: "upload", transfer: [tensor.data.buffer] });
    return table.handle(residentId, tensor);
  }

  async function upload({ dtype, dims, data }: Tensor): Promise<Resident> {
    const tensor = checkedTensor(dtype, dims, data);
    return handOver(allocating("upload", data.byteLength, () => copyOf(tensor)));
  }

  async function allocate(dtype: DType, dims: readonly number[]): Promise<Resident> {
    checkDims("allocate", dims);
    const residentId = table.newId();
    const facts = { where: "allocate", askedBytes: byteCount(dtype, dims) };
    await channel.call("allocate", { residentId, dtype, dims }, facts);
    return table.handle(residentId, { dtype, dims });
  }

  async function writeSlice(target: Resident, axis: number, at: number, source: Tensor | Resident): Promise<void> {
    const where = "writeSlice";
    const targetId = table.idOf(target, where);
    checkSlice(target, axis, at, source);
    if (!("data" in source)) {
      await channel.call(where, { targetId, axis, at, source: { residentId: table.idOf(source, where) } }, { where });
      return;
    }
    const { dtype, dims, data } = source;
    const tensor = checkedTensor(dtype, dims, data);
    const copy = allocating(where, data.byteLength, () => copyOf(tensor));
    await channel.call(where, { targetId, axis, at, source: copy }, { where, transfer: [copy.data.buffer] });
  }

  async function copyRows(copies: readonly RowCopy[]): Promise<void> {
    const where = "copyRows";
    for (const { target, source, pieces } of copies) checkRows(target, source, pieces);
    const sent = copies.map(({ target, source, pieces }) => ({
      targetId: table.idOf(target, where),
      sourceId: table.idOf(source, where),
      pieces,
    }));
    await channel.call(where, { copies: sent }, { where });
  }

  async function download(resident: Resident, rows?: Int32Array<ArrayBuffer>): Promise<Tensor> {
    const where = "download";
    if (rows !== undefined) checkTaken(resident, rows);
    const transfer = rows === undefined ? [] : [rows.buffer];
    return channel.call(where, { residentId: table.idOf(resident, where), rows }, { where, transfer });
  }

  return {
    ...settings,
    load,
    upload,
    uploadFromFile: async (source) => handOver(await disk.readTensor(source)),
    allocate,
    writeSlice,
    copyRows,
    download,
    close: () => channel.close(),
  };
}
