// move_page.c - pages of rows on their way from one store to another, and places to go on from.

#include "broker/store/move/move_side.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

void page_clear(struct page *page)
{
    page->cell_count = page->row_count = page->text_bytes = 0;
    page->is_last = false;
}

void page_fini(struct page *page)
{
    free(page->cells);
    free(page->texts);
    *page = (struct page){ 0 };
}

static struct cell *move_page_add(struct page *page)
{
    if (page->cell_count == page->cell_room) {
        page->cell_room = page->cell_room == 0 ? 256 : page->cell_room * 2;
        page->cells = realloc(page->cells, page->cell_room * sizeof *page->cells);
        must(page->cells != NULL);
    }
    struct cell *cell = &page->cells[page->cell_count++];
    *cell = (struct cell){ 0 };
    return cell;
}

void page_add_number(struct page *page, int64_t number)
{
    move_page_add(page)->number = number;
}

void page_add_text(struct page *page, const char *text, size_t bytes)
{
    struct cell *cell = move_page_add(page);

    if (page->text_bytes + bytes + 1 > page->text_room) {
        page->text_room = (page->text_bytes + bytes + 1) * 2;
        page->texts = realloc(page->texts, page->text_room);
        must(page->texts != NULL);
    }
    cell->at = page->text_bytes;
    cell->bytes = bytes;
    memcpy(page->texts + cell->at, text, bytes);
    page->texts[cell->at + bytes] = '\0';
    page->text_bytes += bytes + 1;
}

void page_add_null(struct page *page)
{
    page_add_text(page, "", 0);
    page->cells[page->cell_count - 1].is_null = true;
}

const struct cell *page_cell(const struct page *page, const struct move_table *table, size_t row, int column)
{
    size_t at = row * (size_t) table->column_count + (size_t) column;

    must(at < page->cell_count);
    return &page->cells[at];
}

const char *page_text(const struct page *page, const struct cell *cell)
{
    return page->texts + cell->at;
}

void place_clear(struct place_in_table *place)
{
    for (int i = 0; i < MOVE_KEYS_MAX; i++) {
        free(place->texts[i]);
    }
    *place = (struct place_in_table){ 0 };
}

void place_set(struct place_in_table *place, const struct move_table *table, const struct page *page, size_t row)
{
    place_clear(place);
    place->is_set = true;
    for (int i = 0; i < table->keys; i++) {
        const struct cell *cell = page_cell(page, table, row, i);
        if (table->columns[i].type == MOVE_TEXT) {
            place->texts[i] = strdup(page_text(page, cell));
            must(place->texts[i] != NULL);
        } else {
            place->numbers[i] = cell->number;
        }
    }
}
