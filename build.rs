//! Whether the browser app was built: then it is embedded, else a page that says how to build it. `make ui` writes
//! `embedded.in`, the table of files; this looks whether it is there and does nothing else.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(rcs_app)");
    // The directory is always there; a path that is not would make every build start over.
    println!("cargo::rerun-if-changed=src/ui/dist");
    if std::path::Path::new("src/ui/dist/embedded.in").exists() {
        println!("cargo::rustc-cfg=rcs_app");
    }
}
