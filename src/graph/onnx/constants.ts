import { create } from "@bufbuild/protobuf";
import { type TensorProto, TensorProto_DataType, TensorProtoSchema } from "../../formats/onnx/onnx_pb.ts";
import { floatToHalf } from "../../formats/float16.ts";
import type { DType } from "../../tensor/tensor.ts";
import type { OpAttributes } from "../operators.ts";

const TYPES: Readonly<Record<DType, TensorProto_DataType>> = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  int64: TensorProto_DataType.INT64,
  int32: TensorProto_DataType.INT32,
  uint8: TensorProto_DataType.UINT8,
  int8: TensorProto_DataType.INT8,
  bool: TensorProto_DataType.BOOL,
};

export function onnxType(dtype: DType): TensorProto_DataType {
  return TYPES[dtype];
}

/** A small constant, stored in the model itself. */
export function constantTensor(name: string, { dtype, dims, values }: OpAttributes["Constant"]): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: onnxType(dtype),
    dims: dims.map(BigInt),
    ...storage(dtype, values),
  });
}

/** onnx.proto puts narrow integers, booleans and float16 bits into int32_data. */
function storage(
  dtype: DType,
  values: readonly number[],
): Partial<Pick<TensorProto, "floatData" | "int32Data" | "int64Data">> {
  if (dtype === "float32") return { floatData: [...values] };
  if (dtype === "int64") return { int64Data: values.map(BigInt) };
  if (dtype === "float16") return { int32Data: [...floatToHalf(Float32Array.from(values))] };
  return { int32Data: [...values] };
}
