//! See `fuzzkit/src/targets/http1.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| (marque_fuzzkit::target("http1").check)(data));
