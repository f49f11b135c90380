import { type DType, elementCount } from "../../tensor/tensor.ts";
import { check, type InferenceRules } from "./faults.ts";

export const inferLeaves: InferenceRules<"Input" | "Weight" | "Constant" | "ConstantOfShape"> = {
  Input: (_, { type }) => type,
  Weight: (_, { type }) => type,
  Constant: (_, { dtype, dims, values }) => {
    check(values.length === elementCount(dims), `${values.length} values do not fill [${dims.join(",")}]`);
    check(isFloat(dtype) || values.every(Number.isSafeInteger), "takes whole values");
    return { dtype, shape: dims };
  },
  ConstantOfShape: (_, { dtype, shape, value }) => {
    check(isFloat(dtype) || Number.isSafeInteger(value), "takes a whole value");
    return { dtype, shape };
  },
};

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float16";
