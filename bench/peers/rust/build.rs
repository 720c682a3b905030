//! Generates the message and service code from bench.proto, whose folder is given as BENCH_ROOT; protox stands in for protoc.

use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::var("BENCH_ROOT")?;
    println!("cargo:rerun-if-env-changed=BENCH_ROOT");
    println!("cargo:rerun-if-changed={folder}/bench.proto");
    let files = protox::compile(["bench.proto"], [&folder])?;
    tonic_prost_build::configure().compile_fds(files)?;
    let rustc = Command::new(std::env::var("RUSTC")?).arg("--version").output()?.stdout;
    println!("cargo:rustc-env=RUSTC_VERSION={}", String::from_utf8(rustc)?.trim());
    println!("cargo:rustc-env=TONIC_VERSION={}", locked_version("tonic")?);
    Ok(())
}

fn locked_version(name: &str) -> Result<String, Box<dyn std::error::Error>> {
    let lock = std::fs::read_to_string("Cargo.lock")?;
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")));
    let line = entry.and_then(|entry| entry.lines().find(|line| line.starts_with("version = ")));
    Ok(line.ok_or("not in Cargo.lock")?.trim_start_matches("version = ").trim_matches('"').to_owned())
}
