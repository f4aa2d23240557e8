//! See `fuzzkit/src/targets/scrub.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| (marque_fuzzkit::target("scrub").check)(data));
