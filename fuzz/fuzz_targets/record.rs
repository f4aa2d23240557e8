//! See `fuzzkit/src/targets/record.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| (marque_fuzzkit::target("record").check)(data));
