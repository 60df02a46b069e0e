//! Says whether the compiler is new enough for kernels that need it.

use std::env;
use std::process::Command;

/// First Rust with stable AVX-512 intrinsics.
const AVX512_MINOR: u32 = 89;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(avx512)");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") && minor_version() >= Some(AVX512_MINOR) {
        println!("cargo::rustc-cfg=avx512");
    }
}

/// The y of rustc 1.y.z.
fn minor_version() -> Option<u32> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.split_whitespace().nth(1)?.split('.').nth(1)?.parse().ok()
}
