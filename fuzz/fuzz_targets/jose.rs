//! See `fuzzkit/src/targets/jose.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| (marque_fuzzkit::target("jose").check)(data));
