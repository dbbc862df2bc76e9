// message_fuzz.h - the entry that libFuzzer calls, for the smoke run to call as well.

#ifndef TESTS_FUZZ_MESSAGE_FUZZ_H
#define TESTS_FUZZ_MESSAGE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#endif
