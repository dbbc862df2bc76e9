// codec_fuzz.c - any bytes at all are changes or refused, and what are changes is written and read again as the same.
//
// A libFuzzer entry, and for every compiler a short run of it: the bytes of samples with some changed, cut and moved.
// Always the same inputs: the seed is fixed, or given as the first argument.

#include "broker/store/codec.h"
#include "proto/base/must.h"
#include "tests/unit/record_samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_again(const struct change *change)
{
    struct codec_bytes written = { 0 };
    struct change again;

    codec_add(&written, change);
    struct codec_reader reader = codec_read(CODEC_NUMBER, written.bytes, written.count);
    must(codec_next(&reader, &again));
    must(reader.left == 0);
    must(again.kind == change->kind);
    must(record_difference(change_record_of(change->kind), change_record(change), change_record(&again)) == NULL);
    codec_fini(&written);
}

static void check_as(int64_t codec, const uint8_t *bytes, size_t count)
{
    struct codec_reader reader = codec_read(codec, bytes, count);
    struct change change;

    while (codec_next(&reader, &change)) {
        check_again(&change);
    }
    must(reader.fault != NULL || reader.left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    check_as(CODEC_NUMBER, bytes, count);
    check_as(CODEC_NUMBER - 1, bytes, count);
    return 0;
}

#ifndef BEHALF_FUZZER

#define RUNS 100000
#define CHANGES_MAX 4

// xorshift64*: enough to spread inputs, and the same everywhere.
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

static void mutate(uint64_t *seed, struct codec_bytes *input)
{
    static const uint8_t telling[] = { 0x00, 0x7f, 0x80, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xc3, 0xc4,
                                       0xcc, 0xcf, 0xd0, 0xd3, 0xd9, 0xdb, 0xdc, 0xdd, 0xe0, 0xff };
    size_t at = draw(seed) % input->count;

    switch (draw(seed) % 4) {
    case 0:
        input->bytes[at] = (uint8_t) draw(seed);
        break;
    case 1:
        input->bytes[at] = telling[draw(seed) % sizeof telling];
        break;
    case 2:
        input->bytes[at] = (uint8_t) (input->bytes[at] ^ 1u << draw(seed) % 8);
        break;
    default:
        memmove(input->bytes + at, input->bytes + at + 1, input->count - at - 1);
        input->count -= input->count > 1;
        break;
    }
}

static void make_input(uint64_t *seed, struct change_list *memory, struct codec_bytes *input)
{
    for (uint64_t left = 1 + draw(seed) % CHANGES_MAX; left > 0; left--) {
        enum change_kind kind = (enum change_kind)(draw(seed) % CHANGE_KIND_COUNT);
        struct change change = record_sample(memory, kind, (unsigned) (draw(seed) % 100));
        codec_add(input, &change);
    }
    for (uint64_t left = draw(seed) % 4; left > 0; left--) {
        mutate(seed, input);
    }
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 42;

    for (uint64_t i = 0; i < RUNS; i++) {
        uint64_t seed = (first + i) * UINT64_C(0x9E3779B97F4A7C15) | 1;
        struct change_list *memory = change_list_new();
        struct codec_bytes input = { 0 };
        make_input(&seed, memory, &input);
        // Exactly as long as the input, so that a read past its end is seen.
        uint8_t *exact = malloc(input.count);
        must(exact != NULL);
        memcpy(exact, input.bytes, input.count);
        LLVMFuzzerTestOneInput(exact, input.count);
        free(exact);
        codec_fini(&input);
        change_list_destroy(&memory);
    }
    printf("seed %llu: %d inputs read\n", (unsigned long long) first, RUNS);
    return 0;
}

#endif
