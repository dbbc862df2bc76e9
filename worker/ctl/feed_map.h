// feed_map.h - which column of a file is which field of a post, and what becomes of its values.
//
// The fields are those of POST, EDIT and DELETE in the table of messages; a number whose name ends in _ms
// is read as a time.  A column with a field's own name is that field unless told otherwise.  Rows are posts,
// but for rows of NDJSON whose "type" is edit or delete, as adapters write them.

#ifndef CTL_FEED_MAP_H
#define CTL_FEED_MAP_H

#include "worker/ctl/feed_time.h"
#include "worker/ctl/row_reader.h"
#include "worker/mending.h"

#include <behalf/message.h>

#include <stdio.h>

#define FEED_FAULT_BYTES 2048

struct feed_map;

struct feed_map *feed_map_new(void);
void feed_map_destroy(struct feed_map **map_p);

// Each adds what one option says; false with `fault` (FEED_FAULT_BYTES) filled in if it cannot be.
bool feed_map_add(struct feed_map *map, const char *option, char *fault); // FIELD=COLUMN, FIELD==TEXT, FIELD=
bool feed_map_constant(struct feed_map *map, const char *field, const char *text, char *fault);
bool feed_map_add_value(struct feed_map *map, const char *option, char *fault);  // FIELD:FROM=TO
bool feed_map_add_values(struct feed_map *map, const char *option, char *fault); // FIELD=FILE, a CSV of from,to
bool feed_map_add_time_format(struct feed_map *map, const char *format, char *fault);
bool feed_map_set_zone(struct feed_map *map, const char *zone, char *fault);

// Finds the columns in an opened reader, by their names or such as row_reader_named takes for them.  Writes a line to
// `problems` for each that is not there and each required field that nothing gives, and a line for each warning;
// returns the number of problems.
size_t feed_map_bind(struct feed_map *map, struct row_reader *reader, FILE *problems);

// "post from tweet_id, brand from airline, channel is twitter": for whoever runs it to see.
void feed_map_describe(const struct feed_map *map, FILE *out);

// Makes a POST (or EDIT, or DELETE) of a row.  Its texts are borrowed from row, map and `mending`, which is begun anew
// and has the notes.  False with `fault` filled in, beginning with the field's name, if it cannot be a post: a value is
// missing or too long without which there is none, is not UTF-8, or is a time that is not understood.
bool feed_map_apply(const struct feed_map *map, const struct row *row, struct mending *mending,
                    struct behalf_message *post, char *fault);

// The cell that names the post; NULL: it is the same in every row.
const struct row_cell *feed_map_post_cell(const struct feed_map *map, const struct row *row);

// The manual of the fields, from the table.
void feed_map_manual(FILE *out);

#endif
