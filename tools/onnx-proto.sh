#!/bin/sh
# Regenerates src/formats/onnx/onnx_pb.ts from onnx.proto (ONNX 1.23.2, Apache-2.0).
# usage: tools/onnx-proto.sh [PATH_TO_onnx.proto]   without a path, the Python package `onnx` is downloaded for it
# Needs npm, and pip when no path is given. The generator is 2.13.0 because it is the newest version that runs on Node 20;
# its output works with every later 2.x of @bufbuild/protobuf. `ts_nocheck` because the output declares enums.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/proto"
if [ $# -ge 1 ]; then
  cp "$1" "$work/proto/onnx.proto"
else
  pip download --quiet --no-deps --only-binary :all: --dest "$work" onnx==1.23.2
  python3 -m zipfile -e "$work"/onnx-*.whl "$work/wheel"
  cp "$work/wheel/onnx/onnx.proto" "$work/proto/onnx.proto"
fi

cd "$work"
printf '{ "private": true }\n' > package.json
npm install --silent --no-audit --no-fund @bufbuild/buf@1.75.0 @bufbuild/protobuf@2.13.0 @bufbuild/protoc-gen-es@2.13.0
cat > buf.gen.yaml <<'YAML'
version: v2
inputs: [{ directory: proto }]
plugins: [{ local: protoc-gen-es, out: out, opt: [target=ts, import_extension=js, ts_nocheck=true] }]
YAML
PATH="$work/node_modules/.bin:$PATH" buf generate
mkdir -p "$root/src/formats/onnx"
cp out/onnx_pb.ts "$root/src/formats/onnx/onnx_pb.ts"
