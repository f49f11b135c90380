import { deflateRawSync } from "node:zlib";
import { littleEndian, type Part } from "./parts.ts";

/** The fields of a zip archive of one file (PKWARE's APPNOTE.TXT, 4.3). */
export function zipParts(name: string, content: Uint8Array): Part[] {
  const packed = deflateRawSync(content);
  const number = (value: number, width: number): Part => ({
    kind: "number",
    bytes: littleEndian(BigInt(value), width),
  });
  const path: Part = { kind: "text", bytes: Buffer.from(name) };
  const common = [
    number(0x0800, 2),
    number(8, 2),
    number(0, 4),
    number(0, 4),
    number(packed.length, 4),
    number(content.length, 4),
    number(path.bytes.length, 2),
    number(0, 2),
  ];
  const local = [number(0x04034b50, 4), number(20, 2), ...common, path, { kind: "bytes", bytes: packed } as const];
  const central = [
    number(0x02014b50, 4),
    number(20, 2),
    number(20, 2),
    ...common,
    number(0, 2),
    number(0, 2),
    number(0, 2),
    number(0, 4),
    number(0, 4),
    path,
  ];
  const size = (parts: readonly Part[]): number => parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const end = [
    number(0x06054b50, 4),
    number(0, 2),
    number(0, 2),
    number(1, 2),
    number(1, 2),
    number(size(central), 4),
    number(size(local), 4),
    number(0, 2),
  ];
  return [...local, ...central, ...end];
}
