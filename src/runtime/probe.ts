import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, TensorProto_DataType } from "../formats/onnx/onnx_pb.ts";
import { isKvDistillError, KvDistillError } from "../util/errors.ts";
import type { Channel } from "./channel.ts";
import type { EngineDevice } from "./options.ts";

const PROBE = { programId: 0 };

/** What an engine says of its devices. */
export interface DeviceFacts {
  /** Who was built for devices or not. */
  readonly engine: string;
  /** The device that is always there. */
  readonly always: EngineDevice;
  /** What each device needs. */
  readonly hints: Readonly<Partial<Record<EngineDevice, string>>>;
}

/**
 * Runs a one-node program, because a device that was built in may still be missing.
 * @throws KvDistillError `device-unavailable`
 */
export async function probeDevice(channel: Channel, device: EngineDevice, facts: DeviceFacts): Promise<void> {
  const { engine, always } = facts;
  const builtIn = await channel.call("devices", undefined, { where: "device" });
  if (!builtIn.includes(device)) throw unavailable(device, facts, builtIn, `not among what ${engine} was built for`);
  if (device === always) return;
  const where = `device ${device}`;
  try {
    const bytes = probeModel();
    const program = { name: "probe", bytes, weightsFolder: undefined, weights: {}, prepack: false };
    await channel.call("load", { ...PROBE, ...program }, { where });
    const feeds = { x: { dtype: "float32", dims: [1], data: Float32Array.of(-1) } } as const;
    await channel.call("run", { ...PROBE, feeds, keep: {} }, { where });
    await channel.call("unload", PROBE, { where });
  } catch (error) {
    if (isKvDistillError(error) && error.code === "engine") {
      throw unavailable(device, facts, builtIn, error.facts.got ?? error.message, error);
    }
    throw error;
  }
}

function unavailable(
  device: EngineDevice,
  { hints, always }: DeviceFacts,
  builtIn: readonly string[],
  got: string,
  cause?: unknown,
): KvDistillError {
  return new KvDistillError("device-unavailable", `the device ${device} is not available`, {
    got,
    hint: `${hints[device] ?? "choose another"}; built in here: ${builtIn.join(", ")}; ${always} always works`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** y = Relu(x), float32[1]. */
function probeModel(): Uint8Array {
  const value = (name: string) => {
    const one = { value: { case: "dimValue" as const, value: 1n } };
    const tensor = { elemType: TensorProto_DataType.FLOAT, shape: { dim: [one] } };
    return { name, type: { value: { case: "tensorType" as const, value: tensor } } };
  };
  const graph = {
    name: "probe",
    input: [value("x")],
    output: [value("y")],
    node: [{ opType: "Relu", input: ["x"], output: ["y"] }],
  };
  const opset = { domain: "", version: 21n };
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 10n, opsetImport: [opset], graph }));
}
