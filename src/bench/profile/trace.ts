import { isJsonObject } from "../../util/strict-json.ts";

/** Time that one operator of one graph took, added up over all runs. */
export interface OperatorTime {
  readonly operator: string;
  readonly microseconds: number;
  readonly calls: number;
  /** Of matrix products; 0 for everything else. */
  readonly flops: number;
}

/**
 * Operators of a trace that ONNX Runtime wrote (chrome's trace event format): events of the category `Node` named `*_kernel_time`.
 * A trace whose end is missing is read as far as it goes.
 */
export function readTrace(text: string): OperatorTime[] {
  const found = new Map<string, { microseconds: number; calls: number; flops: number }>();
  for (const event of eventsOf(text)) {
    if (!isJsonObject(event) || event.cat !== "Node" || !isJsonObject(event.args)) continue;
    const { name, dur, args } = event;
    if (typeof name !== "string" || !name.endsWith("_kernel_time") || typeof dur !== "number") continue;
    const operator = typeof args.op_name === "string" ? args.op_name : "unknown";
    const sum = found.get(operator) ?? { microseconds: 0, calls: 0, flops: 0 };
    sum.microseconds += dur;
    sum.calls++;
    if (PRODUCTS.has(operator)) sum.flops += flopsOf(args.input_type_shape, args.output_type_shape);
    found.set(operator, sum);
  }
  return [...found].map(([operator, sum]) => ({ operator, ...sum }));
}

const PRODUCTS = new Set(["MatMul", "Gemm", "FusedMatMul", "FusedGemm", "MatMulInteger", "MatMulNBits"]);

function eventsOf(text: string): readonly unknown[] {
  const whole = text.trimEnd().replace(/,$/, "");
  for (const end of ["", "]"]) {
    try {
      const parsed: unknown = JSON.parse(whole + end);
      if (Array.isArray(parsed)) return parsed;
    } catch {
      // try the other
    }
  }
  // Cut inside an event: the last line is not whole.
  const lines = whole.slice(0, whole.lastIndexOf("\n")).trimEnd().replace(/,$/, "");
  return lines === "" ? [] : (JSON.parse(`${lines}]`) as unknown[]);
}

/** 2·M·N·K over all matrices of a product of A and B: the size of the output times the length that is summed over. */
function flopsOf(inputs: unknown, outputs: unknown): number {
  const a = firstShape(inputs);
  const y = firstShape(outputs);
  if (a === undefined || y === undefined || a.length < 2 || y.length < 2) return 0;
  const size = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);
  const matrices = size(a.slice(0, -2));
  const rows = a.length > y.length ? 0 : (y.at(-2) ?? 0);
  if (rows === 0 || matrices === 0) return 0;
  return 2 * size(y) * (size(a) / matrices / rows);
}

/** `[{"float":[2,3]}, …]` */
function firstShape(shapes: unknown): number[] | undefined {
  const [first] = Array.isArray(shapes) ? (shapes as unknown[]) : [];
  if (!isJsonObject(first)) return undefined;
  const [dims] = Object.values(first);
  return Array.isArray(dims) && dims.every((dim) => typeof dim === "number") ? dims : undefined;
}
