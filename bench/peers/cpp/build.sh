#!/usr/bin/env bash
# Builds the benchmark's C++ peer into $OUTPUT, in the current folder. Without gRPC's development packages it unpacks those of the
# distribution here, installing nothing. BENCH_ROOT is the folder of bench.proto.
set -euo pipefail
sources=$(dirname "${BASH_SOURCE[0]}")
prefix=
flags=()
if ! pkg-config --exists grpc++ 2>/dev/null || ! command -v grpc_cpp_plugin >/dev/null; then
  prefix=$PWD/root
  if [ ! -e "$prefix/.complete" ]; then
    mkdir -p packages "$prefix"
    wanted=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
      libgrpc++-dev libprotobuf-dev protobuf-compiler-grpc | grep -E '^(libgrpc|libabsl|libprotobuf|libprotoc|libre2|libc-ares|protobuf-compiler|libssl-dev|zlib1g-dev)' | sort -u)
    # shellcheck disable=SC2086
    (cd packages && apt-get download -q $wanted)
    for package in packages/*.deb; do dpkg-deb -x "$package" "$prefix"; done
    touch "$prefix/.complete"
  fi
  libraries=$(dirname "$(find "$prefix/usr/lib" -name libgrpc++.so | head -n 1)")
  flags=("-I$prefix/usr/include" "-I$prefix/usr/include/$(basename "$libraries")" "-L$libraries" "-Wl,-rpath,$libraries" "-Wl,-rpath-link,$libraries")
  export LD_LIBRARY_PATH=$libraries PATH=$prefix/usr/bin:$PATH
fi
protoc -I "$BENCH_ROOT" --cpp_out=. --grpc_out=. --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" bench.proto
objects=()
for source in "$sources"/*.cpp bench.pb.cc bench.grpc.pb.cc; do
  object=$(basename "$source").o
  g++ -std=c++17 -O2 -DNDEBUG -I. "${flags[@]}" -c -o "$object" "$source"
  objects+=("$object")
done
# RPATH, not RUNPATH: only the former is followed for libraries of libraries.
g++ -o "$OUTPUT" "${objects[@]}" "${flags[@]}" -Wl,--disable-new-dtags -Wl,--copy-dt-needed-entries -lgrpc++ -lgrpc -lgpr -lprotobuf -lpthread
