import { gather, input } from "../graph/build.ts";
import { defineGraph, type Graph } from "../graph/graph.ts";

/**
 * Some of the sequences of a cache.
 * Inputs: rows float32 [B,G,R,D], chosen int64 [N], each below B. Output: kept [N,G,R,D].
 */
export function sequencesGraph(): Graph {
  const rows = input("rows", "float32", ["B", "G", "R", "D"]);
  return defineGraph("sequences", { kept: gather(rows, input("chosen", "int64", ["N"])) });
}
