// cell_texts.c - a row's texts in memory that grows and is used again from row to row.

#include "worker/ctl/cell_texts.h"

#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

void *row_grown(void *memory, size_t bytes)
{
    void *larger = realloc(memory, bytes);
    must(larger);
    return larger;
}

void cell_texts_clear(struct cell_texts *texts)
{
    texts->bytes = 0;
    texts->count = 0;
    texts->too_many = false;
}

void cell_texts_add(struct cell_texts *texts, const void *bytes, size_t length, bool absent)
{
    if (texts->count == ROW_COLUMNS_MAX) {
        texts->too_many = true;
        return;
    }
    if (texts->bytes + length + 1 > texts->capacity) {
        texts->capacity = 2 * (texts->bytes + length + 1);
        texts->text = row_grown(texts->text, texts->capacity);
    }
    if (length) {
        memcpy(texts->text + texts->bytes, bytes, length);
    }
    texts->text[texts->bytes + length] = '\0';
    texts->begins[texts->count] = texts->bytes;
    texts->lengths[texts->count] = length;
    texts->absent[texts->count] = absent;
    texts->real[texts->count] = false;
    texts->structure[texts->count] = false;
    texts->count++;
    texts->bytes += length + 1;
}

bool row_text_is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!text[i] || strchr(" \t\r\n", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

bool cell_texts_are_empty(const struct cell_texts *texts, size_t first)
{
    for (size_t i = first; i < texts->count; i++) {
        if (!row_text_is_blank(texts->text + texts->begins[i], texts->lengths[i])) {
            return false;
        }
    }
    return true;
}
