//! See `fuzzkit/src/targets/http2.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| (marque_fuzzkit::target("http2").check)(data));
