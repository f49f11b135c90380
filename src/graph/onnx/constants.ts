import { create } from "@bufbuild/protobuf";
import { type TensorProto, TensorProto_DataType, TensorProtoSchema } from "../../formats/onnx/onnx_pb.ts";
import type { DType } from "../../tensor/tensor.ts";

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
export function constantTensor(
  name: string,
  {
    dtype,
    dims,
    values,
  }: { readonly dtype: DType; readonly dims: readonly number[]; readonly values: readonly number[] },
): TensorProto {
  const data =
    dtype === "int64"
      ? { int64Data: values.map(BigInt) }
      : dtype === "float32"
        ? { floatData: [...values] }
        : { int32Data: [...values] };
  return create(TensorProtoSchema, { name, dataType: onnxType(dtype), dims: dims.map(BigInt), ...data });
}
