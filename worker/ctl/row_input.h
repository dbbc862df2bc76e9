// row_input.h - the bytes of an input that were read and not yet given out as rows, and where in the input they stand.
//
// The bytes of the row being read stay here until the row is complete.

#ifndef CTL_ROW_INPUT_H
#define CTL_ROW_INPUT_H

#include "proto/mended_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct row_input {
    int descriptor;
    char *data;        // bytes read and not yet given out as rows
    size_t begin, end; // of them, in `data`
    size_t scan;       // up to here the current row's bytes were looked at
    size_t capacity;
    uint64_t consumed; // bytes given out before `begin`
    bool at_eof;
    uint64_t line;               // of data[begin], from 1
    struct encoding_tally tally; // of the input
    uint64_t tallied;            // up to this byte of it
};

// Reads once from the descriptor.  False with `fault` (ROW_FAULT_BYTES) filled in when reading failed.
bool row_input_fill(struct row_input *input, char *fault);

// Everything up to `new_begin` is done with.
void row_input_advance(struct row_input *input, size_t new_begin);

// Counts characters up to data[end], so that what was looked at ahead is not counted twice.
void row_input_tally_to(struct row_input *input, size_t end);

// How many lines end in these bytes.
uint64_t row_input_count_lines(const char *bytes, size_t length);

#endif
