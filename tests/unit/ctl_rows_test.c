// ctl_rows_test.c - the rows of CSV and NDJSON come out as they were written, each with its line, and what
// cannot be read costs no more than it must.

#include "worker/ctl/row_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

// An input that a reader gets all at once, or a few bytes at a time.
struct input {
    int reading;
    int writing; // -1: all is written
    const char *rest;
    size_t rest_bytes;
    size_t step; // bytes at a time
};

static struct input input_whole(const char *text, size_t bytes)
{
    struct input input = { .reading = memfd_create("rows", 0), .writing = -1 };
    assert_true(input.reading >= 0);
    assert_int_equal(write(input.reading, text, bytes), bytes);
    assert_int_equal(lseek(input.reading, 0, SEEK_SET), 0);
    return input;
}

static void input_write(struct input *input, size_t bytes)
{
    assert_int_equal(write(input->writing, input->rest, bytes), bytes);
    input->rest += bytes;
    input->rest_bytes -= bytes;
    if (input->rest_bytes) {
        return;
    }
    close(input->writing);
    input->writing = -1;
}

// What comes at once of inputs whose first line tells no columns by itself; 0: that line.  The reader waits for it.
static size_t at_once;

// The first line that is not blank comes at once, the rest `step` bytes at a time.
static struct input input_in_steps(const char *text, size_t bytes, size_t step)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct input input = { ends[0], ends[1], text, bytes, step };
    size_t blank = strspn(text, "\n");
    const char *line_end = memchr(text + blank, '\n', bytes - blank);
    size_t first = line_end != NULL ? (size_t) (line_end - text) + 1 : bytes;
    input_write(&input, at_once && at_once < bytes ? at_once : at_once ? bytes : first);
    return input;
}

static void input_close(struct input *input)
{
    close(input->reading);
    if (input->writing >= 0) {
        close(input->writing);
    }
}

static void fill(struct row_reader *reader, struct input *input)
{
    char fault[ROW_FAULT_BYTES];
    if (input->writing >= 0) {
        input_write(input, input->step < input->rest_bytes ? input->step : input->rest_bytes);
    }
    assert_true(row_reader_fill(reader, fault));
}

static void print_row(FILE *out, const struct row *row)
{
    fprintf(out, "%d", (int) row->line);
    if (row->fault[0]) {
        fprintf(out, "!%s", row->fault);
    }
    for (size_t i = 0; i < row->cell_count; i++) {
        fprintf(out, "|%s", row->cells[i].text != NULL ? row->cells[i].text : "(absent)");
    }
    fprintf(out, "\n");
}

// All rows as text, "LINE|CELL|CELL" or "LINE!FAULT" each.
static char *rows_of(struct input *input, const char *name, const char *const *columns)
{
    char fault[ROW_FAULT_BYTES] = "", *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    struct row_reader *reader = row_reader_new(input->reading, name, ROW_FORMAT_GUESS, 0);
    if (!row_reader_open(reader, fault)) {
        fprintf(out, "cannot open: %s\n", fault);
    }
    for (size_t i = 0; columns != NULL && columns[i] != NULL; i++) {
        assert_int_equal(row_reader_column(reader, columns[i]), i);
    }
    const struct row *row;
    enum row_result result = ROW_END;
    uint64_t number = 0;
    while (!fault[0] && (result = row_reader_next(reader, &row)) != ROW_END) {
        if (result == ROW_MORE) {
            fill(reader, input);
            continue;
        }
        assert_true(row->number > number); // rows of empty cells count, and are not given out
        number = row->number;
        print_row(out, row);
    }
    fclose(out);
    row_reader_destroy(&reader);
    input_close(input);
    return text;
}

static void expect_named(const char *name, const char *const *columns, const char *text, const char *wanted)
{
    size_t bytes = strlen(text);
    static const size_t steps[] = { 1, 2, 3, 7 };
    struct input input = input_whole(text, bytes);
    char *rows = rows_of(&input, name, columns);
    assert_string_equal(rows, wanted);
    free(rows);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && bytes; i++) {
        input = input_in_steps(text, bytes, steps[i]);
        rows = rows_of(&input, name, columns);
        assert_string_equal(rows, wanted);
        free(rows);
    }
}

static void expect_csv(const char *text, const char *wanted)
{
    expect_named("a.csv", NULL, text, wanted);
}

static void expect_json(const char *text, const char *wanted)
{
    static const char *const columns[] = { "id", "text", "user.name", NULL };
    expect_named("a.ndjson", columns, text, wanted);
}

// ---- CSV ----

static void plain_rows_keep_their_cells_and_lines(void **state)
{
    (void) state;
    expect_csv("a,b\n1,2\n3,4\n", "2|1|2\n3|3|4\n");
    expect_csv("a,b\n1,2\n3,4", "2|1|2\n3|3|4\n");
    expect_csv("a,b\n", "");
}

static void blanks_around_cells_stay(void **state)
{
    (void) state;
    expect_csv("a,b\n 1 ,\t2 \n", "2| 1 |\t2 \n");
}

static void quoted_cells_may_hold_anything(void **state)
{
    (void) state;
    expect_csv("a,b\n\"x,y\",\"say \"\"hi\"\"\"\nz,\"\"\n", "2|x,y|say \"hi\"\n3|z|\n");
}

static void a_row_over_several_lines_is_named_by_its_first(void **state)
{
    (void) state;
    expect_csv("a,b\n\"one\ntwo\n\nthree\",x\nlast,y\n", "2|one\ntwo\n\nthree|x\n6|last|y\n");
}

static void every_kind_of_line_end_counts_once(void **state)
{
    (void) state;
    expect_csv("a,b\r\n1,2\r\n3,4\r\n", "2|1|2\n3|3|4\n");
    expect_csv("a,b\n1,2\r3,4\r5,6", "2|1|2\n3|3|4\n4|5|6\n");
    expect_csv("a,b\r\n\"1\r\n1\",2\r\n3,4\r\n", "2|1\r\n1|2\n4|3|4\n");
}

static void blank_lines_are_passed_over_but_counted(void **state)
{
    (void) state;
    expect_csv("a,b\n\n\n1,2\n\n3,4\n\n", "4|1|2\n6|3|4\n");
    expect_csv("a,b\r\n\r\n1,2\r\n", "3|1|2\n");
}

static void a_row_of_another_width_is_bad_and_the_next_is_not(void **state)
{
    (void) state;
    expect_csv("a,b\n1\n1,2,3\n3,4\n", "2!has 1 column, the header has 2\n3!has 3 columns, the header has 2\n4|3|4\n");
}

#define QUOTE_FAULT "has a quote where none may be: a field with quotes in it is quoted, and each quote in it doubled"

static void a_stray_quote_costs_its_line_only(void **state)
{
    (void) state;
    expect_csv("a,b\n\"x\" y,2\n3,4\n", "2!" QUOTE_FAULT "\n3|3|4\n");
}

static void a_quote_inside_a_cell_means_itself(void **state)
{
    (void) state;
    expect_csv("a,b\nmy 5\" phone,2\nx,5\"\n", "2|my 5\" phone|2\n3|x|5\"\n");
    expect_csv("a,b\n7\" and 5\" \"so\",\"say \"\"hi\"\"\"\n", "2|7\" and 5\" \"so\"|say \"hi\"\n");
}

static void what_a_spreadsheet_adds_is_passed_over(void **state)
{
    (void) state;
    expect_csv("a,b\n1,2,\n3,4,,,\n5,6,x\n", "2|1|2\n3|3|4\n4!has 3 columns, the header has 2\n");
    expect_csv("a,b,\n1,2,\n3,4\n", "2|1|2\n3|3|4\n");
    expect_csv("a,b\n,\n1,2\n , \n,,,\n\"\",\"\"\n3,4\n", "3|1|2\n7|3|4\n");
    at_once = 16;
    expect_csv("sep=;\na;b\n1,5;2\n", "3|1,5|2\n");
    expect_csv("SEP=,\r\na,b;c\r\n1,2\r\n", "3|1|2\n");
    expect_csv("\"sep=\t\"\na\tb\n1,5\t2\n", "3|1,5|2\n");
    at_once = 0;
    expect_csv("a, b\n1, \"x, y\"\n2,  z\n", "2|1|x, y\n3|2|z\n");
}

static void columns_are_found_whatever_their_capitals(void **state)
{
    (void) state;
    static const char text[] = "Post, AUTHOR ,Author Name,\xc2\xa0Text,x,X\n1,2,3,4,5,6\n";
    struct input input = input_whole(text, strlen(text));
    char fault[ROW_FAULT_BYTES];
    struct row_reader *reader = row_reader_new(input.reading, "a.csv", ROW_FORMAT_GUESS, 0);
    assert_true(row_reader_open(reader, fault));
    assert_string_equal(row_reader_named(reader, "post"), "Post");
    assert_string_equal(row_reader_named(reader, "author"), " AUTHOR ");
    assert_string_equal(row_reader_named(reader, "author_name"), "Author Name");
    assert_string_equal(row_reader_named(reader, "text"), "\xc2\xa0Text");
    assert_string_equal(row_reader_named(reader, "x"), "x");
    assert_string_equal(row_reader_named(reader, "X"), "X");
    assert_null(row_reader_named(reader, "pos"));
    assert_null(row_reader_named(reader, "posts"));
    row_reader_destroy(&reader);
    input_close(&input);
}

static void a_quote_left_open_costs_its_line_only(void **state)
{
    (void) state;
    expect_csv("a,b\n\"open,2\n3,4\n5,6\n", "2!a quote that is opened here is never closed\n3|3|4\n4|5|6\n");
    expect_csv("a,b\n\"open,2\n3,4\n5,\"six\"\n7,8\n", "2!" QUOTE_FAULT "\n3|3|4\n4|5|six\n5|7|8\n");
}

static void a_row_without_end_is_given_up_at_a_bound(void **state)
{
    (void) state;
    size_t filler = 2 * ROW_BYTES_MAX, bytes = 0;
    char *text = malloc(filler + 256);
    assert_non_null(text);
    bytes += (size_t) sprintf(text, "a,b\n\"open,2\n3,4\n\"");
    memset(text + bytes, 'x', filler);
    bytes += filler;
    bytes += (size_t) sprintf(text + bytes, "\n5,6\n");
    struct input input = input_whole(text, bytes);
    char *rows = rows_of(&input, "a.csv", NULL);
    // The first quote closes at the second, where x follows; the second then has no end.
    assert_string_equal(rows, "2!" QUOTE_FAULT "\n3|3|4\n4!begins a row of more than 1 MiB: is a quote left open?\n"
                              "5|5|6\n");
    free(rows);
    free(text);
}

static void separators_are_guessed_from_the_header(void **state)
{
    (void) state;
    expect_csv("a;b\n1,5;2\n", "2|1,5|2\n");
    expect_csv("a\tb\n1,5\t2\n", "2|1,5|2\n");
    expect_csv("\"a;x;y;z\",b\n1;2,3\n", "2|1;2|3\n");
}

static void a_byte_order_mark_is_not_part_of_the_first_name(void **state)
{
    (void) state;
    struct input input = input_whole("\xef\xbb\xbf"
                                     "a,b\n1,2\n",
                                     11);
    char fault[ROW_FAULT_BYTES];
    struct row_reader *reader = row_reader_new(input.reading, "", ROW_FORMAT_GUESS, 0);
    assert_true(row_reader_open(reader, fault));
    assert_int_equal(row_reader_column(reader, "a"), 0);
    assert_int_equal(row_reader_column(reader, "b"), 1);
    assert_int_equal(row_reader_column(reader, "c"), -1);
    row_reader_destroy(&reader);
    input_close(&input);
}

static void what_is_no_table_is_refused_in_words(void **state)
{
    (void) state;
    expect_csv("", "cannot open: is empty; a CSV file begins with a line that names its columns\n");
    struct input input = input_whole("\xff\xfe"
                                     "a\0,\0",
                                     6);
    char *rows = rows_of(&input, "a.csv", NULL);
    assert_string_equal(rows, "cannot open: is UTF-16; make it UTF-8 first (iconv -f UTF-16 -t UTF-8)\n");
    free(rows);
    expect_named("a.ndjson", NULL, "a,b\n",
                 "cannot open: has no JSON object in its first rows, one a line; is it CSV? (--format csv)\n");
}

// ---- NDJSON ----

static void objects_give_the_keys_asked_for(void **state)
{
    (void) state;
    expect_json("{\"text\":\"hi\",\"id\":9007199254740993,\"user\":{\"name\":\"bo\"}}\n"
                "{\"id\":\"x\",\"user.name\":\"dotted\",\"other\":1}\n",
                "1|9007199254740993|hi|bo\n2|x|(absent)|dotted\n");
}

static void values_of_every_kind_become_text(void **state)
{
    (void) state;
    expect_json("{\"id\":true,\"text\":null,\"user\":{\"name\":1.5}}\n", "1|true|(absent)|1.5\n");
    expect_json("{\"id\":[1],\"text\":\"x\"}\n", "1|(absent)|x|(absent)\n");
}

static void a_bad_line_of_json_is_named_and_the_next_is_read(void **state)
{
    (void) state;
    expect_json("{\"id\":1}\n{\"id\":\n\n[1]\n{\"id\":4}\n",
                "1|1|(absent)|(absent)\n2!is no JSON: unexpected token near end of file, at byte 6\n"
                "4!is no JSON object\n5|4|(absent)|(absent)\n");
}

static void json_that_is_not_utf8_is_a_bad_row(void **state)
{
    (void) state;
    static const char *const columns[] = { "id", NULL };
    static const char text[] = "{\"id\":1}\n{\"id\":\"\xe9t\xe9\"}\n{\"id\":3}\n";
    struct input input = input_whole(text, strlen(text));
    char *rows = rows_of(&input, "a.ndjson", columns);
    assert_string_equal(rows, "1|1\n2!is no JSON: unable to decode byte 0xe9 near '\"', at byte 7\n3|3\n");
    free(rows);
}

static void a_few_broken_characters_cost_no_row(void **state)
{
    (void) state;
    expect_json("{\"id\":1,\"text\":\"caf\xe9\"}\n", "1|1|caf\xef\xbf\xbd|(absent)\n");
    expect_json("{\"id\":1,\"text\":\"late \\ud83d\"}\n{\"id\":2,\"text\":\"a\\u0000b \\ud83d\\ude00\"}\n",
                "1|1|late \xef\xbf\xbd|(absent)\n2|2|a\xef\xbf\xbd"
                "b \xf0\x9f\x98\x80|(absent)\n");
    expect_json("{\"id\":1,\"text\":\"a\tb\"}\n", "1|1|a\tb|(absent)\n");
    expect_csv("a,b\n1,caf\xe9\n2,d\xc3\xa9j\xc3\xa0\n", "2|1|caf\xef\xbf\xbd\n3|2|d\xc3\xa9j\xc3\xa0\n");
    expect_csv("a,b\n1,cut \xf0\x9f\x98\n", "2|1|cut \xef\xbf\xbd\n");
}

static void a_file_that_is_latin1_is_left_as_it_is(void **state)
{
    (void) state;
    static const char text[] = "a,b\nJ\xf6rg,caf\xe9\nx,y\n";
    struct input input = input_whole(text, strlen(text));
    char *rows = rows_of(&input, "a.csv", NULL);
    assert_string_equal(rows, "2|J\xf6rg|caf\xe9\n3|x|y\n");
    free(rows);
}

static void numbers_beyond_all_bounds_are_their_digits(void **state)
{
    (void) state;
    expect_json("{\"id\":10014255632117358197,\"text\":\"x 10014255632117358197\"}\n"
                "{\"id\":-99999999999999999999,\"text\":NaN}\n",
                "1|10014255632117358197|x 10014255632117358197|(absent)\n2|-99999999999999999999|(absent)|(absent)\n");
}

static void a_list_of_objects_is_read_as_rows(void **state)
{
    (void) state;
    at_once = 75;
    expect_json("[\n {\"id\":1},\n {\"id\":2}\n]\n", "2|1|(absent)|(absent)\n3|2|(absent)|(absent)\n");
    expect_json("[{\"id\":1,\"text\":\"}]\\\"{\"},{\"id\":2}]", "1|1|}]\"{|(absent)\n1|2|(absent)|(absent)\n");
    expect_json(
        "[\n  {\n    \"id\": 1,\n    \"user\": {\n      \"name\": \"bo\"\n    }\n  },\n  {\n    \"id\": 2\n  }\n]\n",
        "2|1|(absent)|bo\n8|2|(absent)|(absent)\n");
    expect_json("{\n  \"id\": 1\n}\n{\n  \"id\": 2\n}\n", "1|1|(absent)|(absent)\n4|2|(absent)|(absent)\n");
    expect_named("", (const char *const[]){ "id", NULL }, "[{\"id\":1}]", "1|1\n");
    at_once = 20;
    expect_json("[\n {\"id\":1},\n {\"id\":2}\n]\n", "2|1|(absent)|(absent)\n3|2|(absent)|(absent)\n");
    at_once = 0;
}

static void what_is_no_object_in_a_list_is_told_once(void **state)
{
    (void) state;
    at_once = 20;
    expect_json("[\n {\"id\":1},\n 7, 8,\n {\"id\":,\"text\":1},\n {\"id\":3},\n {\"id\":\n",
                "2|1|(absent)|(absent)\n3!is no JSON object\n"
                "4!is no JSON: unexpected token near ',', at byte 7\n5|3|(absent)|(absent)\n"
                "6!begins an object that does not end\n");
    expect_named("a.json", NULL, "[]\n",
                 "cannot open: has no JSON object in its first rows, one a line; is it CSV? (--format csv)\n");
    at_once = 0;
}

static void a_line_without_end_is_given_up_at_a_bound(void **state)
{
    (void) state;
    static const char *const columns[] = { "id", NULL };
    size_t filler = 2 * ROW_BYTES_MAX;
    char *text = malloc(filler + 64);
    assert_non_null(text);
    size_t bytes = (size_t) sprintf(text, "{\"id\":1}\n");
    memset(text + bytes, ' ', filler);
    bytes += filler;
    bytes += (size_t) sprintf(text + bytes, "\n{\"id\":3}\n");
    struct input input = input_whole(text, bytes);
    char *rows = rows_of(&input, "a.ndjson", columns);
    assert_string_equal(rows, "1|1\n2!is longer than 1 MiB\n3|3\n");
    free(rows);
    free(text);
}

static void the_first_byte_tells_the_format_where_the_name_does_not(void **state)
{
    (void) state;
    static const char *const columns[] = { "id", NULL };
    expect_named("", columns, "\n {\"id\":1}\n", "2|1\n");
    expect_named("", NULL, "id\n1\n", "2|1\n");
}

static void a_last_line_needs_no_end(void **state)
{
    (void) state;
    expect_json("{\"id\":1}\n{\"id\":2}", "1|1|(absent)|(absent)\n2|2|(absent)|(absent)\n");
    static const char text[] = "{\"id\":\"\xff\"}";
    struct input input = input_whole(text, strlen(text));
    char fault[ROW_FAULT_BYTES];
    struct row_reader *reader = row_reader_new(input.reading, "a.ndjson", ROW_FORMAT_GUESS, 0);
    assert_true(row_reader_fill(reader, fault));
    assert_true(row_reader_fill(reader, fault)); // its end is known when it is looked through
    assert_true(row_reader_open(reader, fault));
    row_reader_destroy(&reader);
    input_close(&input);
}

static void the_keys_of_the_first_rows_are_told(void **state)
{
    (void) state;
    static const char text[] = "{\"id\":1,\"user\":{\"name\":\"x\"}}\n{\"late\":2}\n";
    struct input input = input_whole(text, strlen(text));
    char fault[ROW_FAULT_BYTES], columns[64];
    struct row_reader *reader = row_reader_new(input.reading, "a.ndjson", ROW_FORMAT_GUESS, 0);
    assert_true(row_reader_open(reader, fault));
    row_reader_describe(reader, columns, sizeof columns);
    assert_string_equal(columns, "id, user.name, late");
    assert_true(row_reader_saw(reader, "user.name"));
    assert_false(row_reader_saw(reader, "user"));
    row_reader_destroy(&reader);
    input_close(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_rows_keep_their_cells_and_lines),
        cmocka_unit_test(blanks_around_cells_stay),
        cmocka_unit_test(quoted_cells_may_hold_anything),
        cmocka_unit_test(a_row_over_several_lines_is_named_by_its_first),
        cmocka_unit_test(every_kind_of_line_end_counts_once),
        cmocka_unit_test(blank_lines_are_passed_over_but_counted),
        cmocka_unit_test(a_row_of_another_width_is_bad_and_the_next_is_not),
        cmocka_unit_test(a_stray_quote_costs_its_line_only),
        cmocka_unit_test(a_quote_left_open_costs_its_line_only),
        cmocka_unit_test(a_row_without_end_is_given_up_at_a_bound),
        cmocka_unit_test(separators_are_guessed_from_the_header),
        cmocka_unit_test(a_byte_order_mark_is_not_part_of_the_first_name),
        cmocka_unit_test(what_is_no_table_is_refused_in_words),
        cmocka_unit_test(objects_give_the_keys_asked_for),
        cmocka_unit_test(values_of_every_kind_become_text),
        cmocka_unit_test(a_bad_line_of_json_is_named_and_the_next_is_read),
        cmocka_unit_test(json_that_is_not_utf8_is_a_bad_row),
        cmocka_unit_test(a_line_without_end_is_given_up_at_a_bound),
        cmocka_unit_test(a_few_broken_characters_cost_no_row),
        cmocka_unit_test(a_file_that_is_latin1_is_left_as_it_is),
        cmocka_unit_test(numbers_beyond_all_bounds_are_their_digits),
        cmocka_unit_test(a_list_of_objects_is_read_as_rows),
        cmocka_unit_test(what_is_no_object_in_a_list_is_told_once),
        cmocka_unit_test(a_quote_inside_a_cell_means_itself),
        cmocka_unit_test(what_a_spreadsheet_adds_is_passed_over),
        cmocka_unit_test(columns_are_found_whatever_their_capitals),
        cmocka_unit_test(the_first_byte_tells_the_format_where_the_name_does_not),
        cmocka_unit_test(the_keys_of_the_first_rows_are_told),
        cmocka_unit_test(a_last_line_needs_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
