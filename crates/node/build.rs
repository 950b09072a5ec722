//! Build script of the native addon.

fn main() {
    napi_build::setup();
}
