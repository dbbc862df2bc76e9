// cell_texts.h - texts of a row's cells, one after the other, each ended by a NUL.

#ifndef CTL_CELL_TEXTS_H
#define CTL_CELL_TEXTS_H

#include "worker/ctl/row_reader.h"

#include <stdbool.h>
#include <stddef.h>

struct cell_texts {
    char *text;
    size_t bytes, capacity;
    size_t begins[ROW_COLUMNS_MAX]; // offsets, as `text` may move
    size_t lengths[ROW_COLUMNS_MAX];
    bool absent[ROW_COLUMNS_MAX];
    bool real[ROW_COLUMNS_MAX];
    bool structure[ROW_COLUMNS_MAX];
    size_t count;
    bool too_many;
};

// Leaves no texts.  What they were stays where it is until the next is added.
void cell_texts_clear(struct cell_texts *texts);

// Adds a text, or one that is absent.  Sets `too_many` instead when there is no room for it.
void cell_texts_add(struct cell_texts *texts, const void *bytes, size_t length, bool absent);

// Whether the cells from `first` on have nothing in them.
bool cell_texts_are_empty(const struct cell_texts *texts, size_t first);

// Whether a text is nothing but blanks and ends of lines.
bool row_text_is_blank(const char *text, size_t length);

// `memory` with room for `bytes`.
void *row_grown(void *memory, size_t bytes);

#endif
