//! Compiles the protocol with protox: no protoc is needed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=magpie");
    println!("cargo:rerun-if-changed=keda");
    let files = [
        "magpie/v1/farm.proto",
        "magpie/v1/node.proto",
        "keda/externalscaler.proto",
    ];
    let descriptors = protox::compile(files, ["."])?;
    let out = std::env::var("OUT_DIR")?;
    let bytes = prost::Message::encode_to_vec(&descriptors);
    std::fs::write(Path::new(&out).join("magpie.v1.descriptors"), bytes)?;
    tonic_prost_build::configure()
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .compile_fds(descriptors)?;
    Ok(())
}
