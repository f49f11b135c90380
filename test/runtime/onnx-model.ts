import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType as DataType,
} from "../../src/formats/onnx/onnx_pb.ts";
import type { DType } from "../../src/tensor/tensor.ts";

export type Dim = number | string;
/** Element types of tensors, and one that they do not have. */
export type ElementType = DType | "float64";
export interface ValueSpec {
  readonly dtype: ElementType;
  readonly dims: readonly Dim[];
}
export interface NodeSpec {
  readonly op: string;
  readonly in: readonly string[];
  readonly out: readonly string[];
  readonly ints?: Readonly<Record<string, number>>;
  readonly domain?: string;
}
export interface ExternalSpec {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}
export interface ModelSpec {
  readonly inputs: Readonly<Record<string, ValueSpec>>;
  readonly outputs: Readonly<Record<string, ValueSpec>>;
  readonly nodes: readonly NodeSpec[];
  readonly external?: Readonly<Record<string, ExternalSpec>>;
}

const CODES: Readonly<Record<ElementType, DataType>> = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  float16: DataType.FLOAT16,
  int64: DataType.INT64,
  int32: DataType.INT32,
  uint8: DataType.UINT8,
  int8: DataType.INT8,
  bool: DataType.BOOL,
};

/** The bytes of a hand-made ONNX model (opset 21 plus com.microsoft), with weights only as external data. */
export function onnxModel(spec: ModelSpec): Uint8Array {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 10n,
      opsetImport: [
        { domain: "", version: 21n },
        { domain: "com.microsoft", version: 1n },
      ],
      graph: {
        name: "test",
        input: values(spec.inputs),
        output: values(spec.outputs),
        node: spec.nodes.map((node) => ({
          opType: node.op,
          domain: node.domain ?? "",
          input: [...node.in],
          output: [...node.out],
          attribute: Object.entries(node.ints ?? {}).map(([name, value]) => ({
            name,
            type: AttributeType.INT,
            i: BigInt(value),
          })),
        })),
        initializer: Object.entries(spec.external ?? {}).map(([name, weight]) => ({
          name,
          dataType: CODES[weight.dtype],
          dims: weight.dims.map((dim) => BigInt(dim)),
          dataLocation: TensorProto_DataLocation.EXTERNAL,
          externalData: [
            { key: "location", value: weight.file },
            { key: "offset", value: weight.offset.toString() },
            { key: "length", value: weight.length.toString() },
          ],
        })),
      },
    }),
  );
}

function values(specs: Readonly<Record<string, ValueSpec>>) {
  return Object.entries(specs).map(([name, { dtype, dims }]) => ({
    name,
    type: {
      value: {
        case: "tensorType" as const,
        value: {
          elemType: CODES[dtype],
          shape: {
            dim: dims.map((dim) => ({
              value:
                typeof dim === "number"
                  ? { case: "dimValue" as const, value: BigInt(dim) }
                  : { case: "dimParam" as const, value: dim },
            })),
          },
        },
      },
    },
  }));
}
