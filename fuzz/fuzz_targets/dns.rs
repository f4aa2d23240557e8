//! See `fuzzkit/src/targets/dns.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| (marque_fuzzkit::target("dns").check)(data));
