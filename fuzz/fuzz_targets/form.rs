#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| brevet_fuzz::form(data));
