//! See `fuzzkit/src/targets/push.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| (marque_fuzzkit::target("push").check)(data));
