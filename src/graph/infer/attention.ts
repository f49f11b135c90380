import { mulDims, sameShape } from "../dims.ts";
import { check, dimAt, type InferenceRules, inputAt } from "./faults.ts";

export const inferAttention: InferenceRules<"GroupQueryAttention"> = {
  GroupQueryAttention: (inputs, { numHeads, kvHeads }) => {
    const [queries, keys, values] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
    const [pastKeys, pastValues] = [inputAt(inputs, 3), inputAt(inputs, 4)];
    const [last, total] = [inputAt(inputs, 5), inputAt(inputs, 6)];
    check(
      [queries, keys, values, pastKeys, pastValues].every(({ dtype }) => dtype === "float32"),
      "takes float32 queries, keys and values",
    );
    check(numHeads % kvHeads === 0, `${kvHeads} heads of keys do not share ${numHeads} of queries`);
    check(queries.shape.length === 3 && pastKeys.shape.length === 4, "takes new tokens of rank 3, past ones of rank 4");
    const [batch, tokens, headDim] = [dimAt(queries, 0), dimAt(queries, 1), dimAt(pastKeys, 3)];
    check(dimAt(queries, 2) === mulDims(numHeads, headDim), `queries are not ${numHeads} heads of ${headDim}`);
    const own = [batch, tokens, mulDims(kvHeads, headDim)];
    check(
      sameShape(keys.shape, own) && sameShape(values.shape, own),
      `new keys and values are not ${kvHeads} heads of ${headDim} for each query`,
    );
    check(
      sameShape(pastKeys.shape, [batch, kvHeads, dimAt(pastKeys, 2), headDim]) &&
        sameShape(pastValues.shape, pastKeys.shape),
      "past keys and values are not [batch, kvHeads, rows, headDim]",
    );
    check(
      last.dtype === "int32" &&
        sameShape(last.shape, [batch]) &&
        total.dtype === "int32" &&
        sameShape(total.shape, [1]),
      "takes the last key of each sequence as int32 [batch], their number as int32 [1]",
    );
    return { dtype: "float32", shape: queries.shape };
  },
};
