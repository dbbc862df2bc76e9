// row_input.c - reading, and moving on: what was given out makes room at the next read.

#include "worker/ctl/row_input.h"

#include "worker/ctl/cell_texts.h"
#include "worker/ctl/row_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t) 256 * 1024)

bool row_input_fill(struct row_input *input, char *fault)
{
    if (input->begin > 0) {
        memmove(input->data, input->data + input->begin, input->end - input->begin);
        input->end -= input->begin;
        input->scan -= input->begin;
        input->begin = 0;
    }
    if (input->capacity - input->end < READ_BYTES) {
        input->capacity = input->end + READ_BYTES;
        input->data = row_grown(input->data, input->capacity);
    }
    ssize_t got = read(input->descriptor, input->data + input->end, READ_BYTES);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (got < 0) {
        snprintf(fault, ROW_FAULT_BYTES, "cannot read: %s", strerror(errno));
        return false;
    }
    input->at_eof = got == 0;
    input->end += (size_t) got;
    return true;
}

void row_input_advance(struct row_input *input, size_t new_begin)
{
    input->consumed += new_begin - input->begin;
    input->begin = new_begin;
    input->scan = new_begin;
}

uint64_t row_input_count_lines(const char *bytes, size_t length)
{
    uint64_t lines = 0;
    const char *end = bytes + length;
    while (bytes < end && (bytes = memchr(bytes, '\n', (size_t) (end - bytes))) != NULL) {
        lines++;
        bytes++;
    }
    return lines;
}

void row_input_tally_to(struct row_input *input, size_t end)
{
    uint64_t at = input->consumed + (end - input->begin);
    if (at <= input->tallied) {
        return;
    }
    size_t fresh = at - input->tallied < end - input->begin ? (size_t) (at - input->tallied) : end - input->begin;
    encoding_tally_add(&input->tally, input->data + end - fresh, fresh);
    input->tallied = at;
}
