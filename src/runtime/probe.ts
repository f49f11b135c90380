import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, TensorProto_DataType } from "../formats/onnx/onnx_pb.ts";
import { isKvDistillError, KvDistillError } from "../util/errors.ts";
import type { Channel } from "./channel.ts";
import type { Device } from "./options.ts";

const PROBE = { programId: 0 };

const HINTS: Readonly<Record<Device, string>> = {
  cpu: "onnxruntime-node has no build for this platform",
  webgpu: "it needs a graphics driver for Vulkan, Metal or Direct3D 12",
  cuda:
    "it needs an NVIDIA driver, CUDA 12 with cuDNN 9, and the provider libraries that onnxruntime-node downloads when " +
    "it is installed on linux-x64 without onnxruntime-node-install=skip",
};

/**
 * Runs a one-node program, because a device that was built in may still be missing.
 * @throws KvDistillError `device-unavailable`
 */
export async function probeDevice(channel: Channel, device: Device): Promise<void> {
  const builtIn = await channel.call("devices", undefined, { where: "device" });
  if (!builtIn.includes(device)) throw unavailable(device, builtIn, "not among what onnxruntime-node was built for");
  if (device === "cpu") return;
  const where = `device ${device}`;
  try {
    const bytes = probeModel();
    await channel.call("load", { ...PROBE, name: "probe", bytes, weightsFolder: undefined, prepack: false }, { where });
    const feeds = { x: { dtype: "float32", dims: [1], data: Float32Array.of(-1) } } as const;
    await channel.call("run", { ...PROBE, feeds, keep: {} }, { where });
    await channel.call("unload", PROBE, { where });
  } catch (error) {
    if (isKvDistillError(error) && error.code === "engine") {
      throw unavailable(device, builtIn, error.facts.got ?? error.message, error);
    }
    throw error;
  }
}

function unavailable(device: Device, builtIn: readonly string[], got: string, cause?: unknown): KvDistillError {
  return new KvDistillError("device-unavailable", `the device ${device} is not available`, {
    got,
    hint: `${HINTS[device]}; built in here: ${builtIn.join(", ")}; cpu always works`,
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
