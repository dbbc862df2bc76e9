// message_fuzz_smoke.c - a short run of the fuzzer for any compiler: random bytes, and the frames of every
// message with bytes changed, cut, doubled and swapped.  Always the same inputs: the seed is fixed, or
// given as the first argument.

#include "tests/fuzz/message_fuzz.h"

#include "proto/base/must.h"
#include "tests/unit/message_samples.h"

#include <stdio.h>
#include <string.h>

#define RUNS 120000
#define INPUT_BYTES 65536

// xorshift64*: enough to spread inputs, and the same everywhere.
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

static size_t random_input(uint64_t *seed, uint8_t *input)
{
    size_t count = draw(seed) % 96;
    for (size_t i = 0; i < count; i++) {
        input[i] = (uint8_t) draw(seed);
    }
    return count;
}

static void mutate(uint64_t *seed, uint8_t *input, size_t *count)
{
    static const uint8_t telling[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6,
                                       0xc9, 0xcb, 0xcf, 0xd3, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd, 0xdf, 0xe0, 0xff };
    if (*count == 0) {
        return;
    }
    size_t at = draw(seed) % *count;
    switch (draw(seed) % 5) {
    case 0:
        input[at] = (uint8_t) draw(seed);
        break;
    case 1:
        input[at] = telling[draw(seed) % sizeof(telling)];
        break;
    case 2:
        input[at] = (uint8_t) (input[at] ^ 1u << draw(seed) % 8);
        break;
    case 3:
        memmove(input + at, input + at + 1, *count - at - 1);
        *count -= 1;
        break;
    default:
        if (*count < INPUT_BYTES) {
            memmove(input + at + 1, input + at, *count - at);
            *count += 1;
        }
        break;
    }
}

static size_t mutated_input(uint64_t *seed, uint8_t *input)
{
    enum behalf_type type = (enum behalf_type)(1 + draw(seed) % (BEHALF_TYPE_COUNT - 1));
    struct sample *sample = sample_new(type, draw(seed) % 2 == 0 ? SAMPLE_FULL : SAMPLE_REQUIRED);
    size_t count;
    struct behalf_fault fault;
    void *frame = behalf_message_encode(&sample->message, &count, &fault);
    must(frame != NULL);
    must(count < INPUT_BYTES);
    memcpy(input, frame, count);
    free(frame);
    sample_destroy(&sample);
    for (uint64_t changes = draw(seed) % 4; changes > 0; changes--) {
        mutate(seed, input, &count);
    }
    return count;
}

int main(int argument_count, char **arguments)
{
    uint64_t seed = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 42;
    printf("seed %llu, %d inputs\n", (unsigned long long) seed, RUNS);
    seed = seed * 2 + 1; // xorshift must not start at zero
    static uint8_t input[INPUT_BYTES];
    for (int run = 0; run < RUNS; run++) {
        size_t count = run % 4 == 0 ? random_input(&seed, input) : mutated_input(&seed, input);
        // Exactly as long as the input, so that a read past its end is seen.
        uint8_t *exact = malloc(count > 0 ? count : 1);
        must(exact != NULL);
        memcpy(exact, input, count);
        LLVMFuzzerTestOneInput(exact, count);
        free(exact);
    }
    return 0;
}
