// ctl_feed_test.c - columns become fields, times become milliseconds, and how far a feed came is kept.

#include "worker/ctl/feed_cursor.h"
#include "worker/ctl/feed_ids.h"
#include "worker/ctl/feed_map.h"
#include "worker/ctl/feed_time.h"
#include "worker/ctl/feed_zone.h"
#include "worker/ctl/row_reader.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// ---- ids ----

static enum feed_ids_verdict look(struct feed_ids *ids, const char *id)
{
    char fault[FEED_IDS_FAULT_BYTES];
    return feed_ids_look(ids, id, false, fault);
}

static void an_id_with_an_exponent_is_rounded(void **state)
{
    (void) state;
    static const char *const rounded[] = { "1.29403E+18", "1,29403E+18", "1E+18", "1.5e18", "9.0E+17" };
    static const char *const sound[] = { "5e3", "1e10", "7e12ab", "1.2", "E+18", "t3_1E+5", "1.29403E+18x", "12:3E+4" };
    for (size_t i = 0; i < sizeof rounded / sizeof *rounded; i++) {
        assert_int_equal(look(&(struct feed_ids){ 0 }, rounded[i]), FEED_IDS_ROUNDED);
    }
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        assert_int_equal(look(&(struct feed_ids){ 0 }, sound[i]), FEED_IDS_SOUND);
    }
    struct feed_ids ids = { 0 }; // also where many before were none
    look(&ids, "1862345678901234567");
    assert_int_equal(look(&ids, "1.29403E+18"), FEED_IDS_ROUNDED);
}

static void a_number_with_a_point_is_no_id(void **state)
{
    (void) state;
    char fault[FEED_IDS_FAULT_BYTES];
    assert_int_equal(feed_ids_look(&(struct feed_ids){ 0 }, "1001.5", true, fault), FEED_IDS_ROUNDED);
    assert_non_null(strstr(fault, "as text"));
}

static void ids_that_all_end_in_zeros_are_rounded(void **state)
{
    (void) state;
    char fault[FEED_IDS_FAULT_BYTES];
    struct feed_ids ids = { 0 };
    assert_int_equal(look(&ids, "1862345678901230000"), FEED_IDS_UNSURE);
    assert_int_equal(look(&ids, "1862345678901240000"), FEED_IDS_UNSURE);
    assert_int_equal(look(&ids, "1862345678901250000"), FEED_IDS_ROUNDED);
    ids = (struct feed_ids){ 0 };
    assert_int_equal(look(&ids, "1294030000000000000"), FEED_IDS_ROUNDED);
    ids = (struct feed_ids){ 0 };
    assert_int_equal(look(&ids, "1862345678901230000"), FEED_IDS_UNSURE);
    assert_int_equal(feed_ids_end(&ids, fault), FEED_IDS_SOUND); // by itself it may be one
    assert_int_equal(look(&ids, "1862345678901240000"), FEED_IDS_UNSURE);
    assert_int_equal(feed_ids_end(&ids, fault), FEED_IDS_ROUNDED);
}

static void an_id_that_is_not_rounded_clears_the_others(void **state)
{
    (void) state;
    struct feed_ids ids = { 0 };
    assert_int_equal(look(&ids, "186234567890120000"), FEED_IDS_UNSURE);
    assert_int_equal(look(&ids, "186234567890120001"), FEED_IDS_SOUND);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(look(&ids, "1862345678901230000"), FEED_IDS_SOUND);
    }
    assert_int_equal(look(&(struct feed_ids){ 0 }, "100000"), FEED_IDS_SOUND);
    assert_int_equal(look(&(struct feed_ids){ 0 }, "abc00000000000000000"), FEED_IDS_SOUND);
}

// ---- times ----

static void expect_time(const struct feed_time *time, const char *text, int64_t wanted)
{
    int64_t at_ms = -1;
    if (!feed_time_parse(time, text, &at_ms)) {
        fail_msg("%s is not understood", text);
    }
    assert_int_equal(at_ms, wanted);
}

static void expect_no_time(const struct feed_time *time, const char *text)
{
    int64_t at_ms;
    if (feed_time_parse(time, text, &at_ms)) {
        fail_msg("%s is understood", text);
    }
}

static void usual_times_are_understood(void **state)
{
    (void) state;
    const struct feed_time usual = { 0 };
    expect_time(&usual, "2015-02-24 11:15:59 -0800", INT64_C(1424805359000));
    expect_time(&usual, "2015-02-24T19:15:59Z", INT64_C(1424805359000));
    expect_time(&usual, "2015-02-24T19:15:59.5Z", INT64_C(1424805359500));
    expect_time(&usual, "2015-02-24T19:15:59.123456+00:00", INT64_C(1424805359123));
    expect_time(&usual, "2015-02-24 19:15:59", INT64_C(1424805359000));
    expect_time(&usual, "2015-02-24T20:15+01", INT64_C(1424805300000));
    expect_time(&usual, "2015-02-24", INT64_C(1424736000000));
    expect_time(&usual, "Tue Feb 24 19:15:59 +0000 2015", INT64_C(1424805359000));
    expect_time(&usual, "Tue Feb 24 11:15:59 -0800 2015", INT64_C(1424805359000));
    expect_time(&usual, "1424805359", INT64_C(1424805359000));
    expect_time(&usual, "1424805359000", INT64_C(1424805359000));
    expect_time(&usual, "2016-02-29", INT64_C(1456704000000));
    expect_time(&usual, "2016-12-31T23:59:60Z", INT64_C(1483228799000));
}

static void what_is_no_time_is_refused(void **state)
{
    (void) state;
    const struct feed_time usual = { 0 };
    static const char *const texts[] = { "",
                                         "yesterday",
                                         "2015-02-30",
                                         "2015-13-01",
                                         "2015-02-24T25:00",
                                         "2015-02-24T10:61",
                                         "2015-02-24 11:15:59 -0800 ",
                                         "2015-02-24T11:15:59.",
                                         "2015-02-24T11:15:59+25:00",
                                         "1969-12-31",
                                         "20150224",
                                         "-1424805359",
                                         "99999999999999999999",
                                         "2015-02-24x" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expect_no_time(&usual, texts[i]);
    }
}

static void formats_given_replace_the_usual_ones(void **state)
{
    (void) state;
    const struct feed_time german = { .formats = { "%d.%m.%Y %H:%M", "%d.%m.%Y" }, .format_count = 2 };
    expect_time(&german, "24.02.2015 19:15", INT64_C(1424805300000));
    expect_time(&german, "24.02.2015", INT64_C(1424736000000));
    expect_no_time(&german, "2015-02-24");
    expect_no_time(&german, "31.02.2015");
    const struct feed_time epoch = { .formats = { "epoch" }, .format_count = 1 };
    expect_time(&epoch, "12.25", 12250);
    const struct feed_time epoch_ms = { .formats = { "epoch-ms" }, .format_count = 1 };
    expect_time(&epoch_ms, "1424805359000", INT64_C(1424805359000));
}

static void a_zone_holds_for_times_that_name_none(void **state)
{
    (void) state;
    struct feed_time time = { .formats = { "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M %z" }, .format_count = 2 };
    assert_true(feed_time_zone("+02:00", &time.zone_ms));
    expect_time(&time, "2015-02-24 21:15", INT64_C(1424805300000));
    expect_time(&time, "2015-02-24 19:15 +0000", INT64_C(1424805300000));
    assert_false(feed_time_zone("Berlin", &time.zone_ms)); // feed_zone's affair
    assert_false(feed_time_zone("+2", &time.zone_ms));
}

static void a_zone_by_name_changes_its_clock(void **state)
{
    (void) state;
    struct feed_time time = { .named_zone = true };
    char fault[512];
    assert_true(feed_zone_use("Europe/Berlin", fault, sizeof fault));
    expect_time(&time, "2026-01-15 12:00", INT64_C(1768474800000)); // 11:00 UTC
    expect_time(&time, "2026-07-15 12:00", INT64_C(1784109600000)); // 10:00 UTC
    expect_time(&time, "2026-07-15T12:00Z", INT64_C(1784116800000));
    expect_time(&time, "2026-03-29 01:59:59", INT64_C(1774745999000));
    expect_time(&time, "2026-03-29 02:30", INT64_C(1774747800000)); // skipped: 03:30 of summer
    expect_time(&time, "2026-03-29 03:00", INT64_C(1774746000000));
    expect_time(&time, "2026-10-25 01:59", INT64_C(1792886340000));
    expect_time(&time, "2026-10-25 02:30", INT64_C(1792888200000)); // shown twice: the first
    expect_time(&time, "2026-10-25 03:00", INT64_C(1792893600000));
    expect_time(&time, "2045-07-15 12:00", INT64_C(2383725600000)); // by the rule beyond the table
    assert_true(feed_zone_use("America/New_York", fault, sizeof fault));
    expect_time(&time, "2026-07-15 12:00", INT64_C(1784131200000));
    assert_true(feed_zone_use("Australia/Lord_Howe", fault, sizeof fault));
    expect_time(&time, "2026-01-15 12:00", INT64_C(1768438800000)); // 11 hours ahead
    assert_true(feed_zone_use("Asia/Kolkata", fault, sizeof fault));
    expect_time(&time, "2026-01-15 12:00", INT64_C(1768458600000));
}

static void an_unknown_zone_names_those_near_it(void **state)
{
    (void) state;
    struct feed_map *map = feed_map_new();
    char fault[FEED_FAULT_BYTES];
    assert_false(feed_map_set_zone(map, "Europe/Berln", fault));
    assert_non_null(strstr(fault, "the nearest zones are Europe/Berlin, "));
    assert_false(feed_map_set_zone(map, "berlin", fault));
    assert_non_null(strstr(fault, "Europe/Berlin"));
    static const char *const none[] = { "../../../etc/passwd", "/etc/localtime", "Europe", "", "posix/../UTC" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(feed_map_set_zone(map, none[i], fault));
    }
    assert_true(feed_map_set_zone(map, "Europe/Berlin", fault));
    assert_true(feed_map_set_zone(map, "+02:00", fault));
    feed_map_destroy(&map);
}

// ---- maps ----

struct sheet {
    int descriptor;
    struct row_reader *reader;
    struct feed_map *map;
    struct mending *mending;
    char fault[FEED_FAULT_BYTES];
};

static struct sheet sheet_new(const char *text, const char *name)
{
    struct sheet sheet = { .descriptor = memfd_create("sheet", 0), .map = feed_map_new(), .mending = mending_new() };
    assert_int_equal(write(sheet.descriptor, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(sheet.descriptor, 0, SEEK_SET), 0);
    sheet.reader = row_reader_new(sheet.descriptor, name, ROW_FORMAT_GUESS, 0);
    assert_true(row_reader_open(sheet.reader, sheet.fault));
    return sheet;
}

static void sheet_destroy(struct sheet *sheet)
{
    row_reader_destroy(&sheet->reader);
    feed_map_destroy(&sheet->map);
    mending_destroy(&sheet->mending);
    close(sheet->descriptor);
}

static void map_to(struct sheet *sheet, const char *option)
{
    if (!feed_map_add(sheet->map, option, sheet->fault)) {
        fail_msg("%s: %s", option, sheet->fault);
    }
}

// Returns the problems as text, owned by the caller.
static char *bind(struct sheet *sheet, size_t wanted)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_int_equal(feed_map_bind(sheet->map, sheet->reader, out), wanted);
    fclose(out);
    return text;
}

static void bind_well(struct sheet *sheet)
{
    char *problems = bind(sheet, 0);
    assert_string_equal(problems, "");
    free(problems);
}

static const struct row *next_row(struct sheet *sheet)
{
    const struct row *row;
    enum row_result result;
    while ((result = row_reader_next(sheet->reader, &row)) == ROW_MORE) {
        assert_true(row_reader_fill(sheet->reader, sheet->fault));
    }
    assert_int_equal(result, ROW_READY);
    return row;
}

static void next_post(struct sheet *sheet, struct behalf_message *post)
{
    if (!feed_map_apply(sheet->map, next_row(sheet), sheet->mending, post, sheet->fault)) {
        fail_msg("%s", sheet->fault);
    }
}

static void expect_bad_row(struct sheet *sheet, const char *wanted)
{
    struct behalf_message post;
    assert_false(feed_map_apply(sheet->map, next_row(sheet), sheet->mending, &post, sheet->fault));
    assert_string_equal(sheet->fault, wanted);
}

static void columns_constants_and_own_names_become_fields(void **state)
{
    (void) state;
    struct sheet sheet = sheet_new("tweet_id,name,text,followers,created,skip\n"
                                   "570301130888122368,jo,\"a, b\",12.0,2015-02-24,x\n"
                                   "2,bo,,,,\n",
                                   "a.csv");
    map_to(&sheet, "post=tweet_id");
    map_to(&sheet, "author=name");
    map_to(&sheet, "reach=followers");
    map_to(&sheet, "posted=created");
    map_to(&sheet, "brand==virgin");
    assert_true(feed_map_constant(sheet.map, "channel", "twitter", sheet.fault));
    bind_well(&sheet);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_int_equal(post.type, BEHALF_POST);
    assert_string_equal(post.post.post, "570301130888122368");
    assert_string_equal(post.post.author, "jo");
    assert_string_equal(post.post.text, "a, b");
    assert_string_equal(post.post.brand, "virgin");
    assert_string_equal(post.post.channel, "twitter");
    assert_int_equal(post.post.reach, 12);
    assert_int_equal(post.post.posted_ms, INT64_C(1424736000000));
    next_post(&sheet, &post);
    assert_null(post.post.text);
    assert_int_equal(post.post.reach, 0);
    assert_int_equal(post.post.posted_ms, 0);
    sheet_destroy(&sheet);
}

static void unknown_columns_are_told_with_those_there_are(void **state)
{
    (void) state;
    struct sheet sheet = sheet_new("id,from,body\n1,jo,x\n", "a.csv");
    map_to(&sheet, "post=tweet_id");
    map_to(&sheet, "author=from");
    map_to(&sheet, "text=bod");
    map_to(&sheet, "channel==mail");
    char *problems = bind(&sheet, 3);
    assert_non_null(strstr(problems, "--map post=tweet_id: there is no column tweet_id\n"));
    assert_non_null(strstr(problems, "--map text=bod: there is no column bod\n"));
    assert_non_null(strstr(problems, "brand: which column is it?"));
    assert_non_null(strstr(problems, "the columns are: id, from, body\n"));
    free(problems);
    sheet_destroy(&sheet);
}

static void a_text_must_be_mapped_or_left_out_in_words(void **state)
{
    (void) state;
    struct sheet sheet = sheet_new("post,author,channel,brand\n1,jo,c,b\n", "a.csv");
    char *problems = bind(&sheet, 1);
    assert_non_null(strstr(problems, "text: which column is it?"));
    free(problems);
    map_to(&sheet, "text=");
    bind_well(&sheet);
    sheet_destroy(&sheet);
}

static void a_key_that_only_later_rows_have_is_a_warning(void **state)
{
    (void) state;
    struct sheet sheet = sheet_new("{\"post\":1,\"author\":\"a\",\"text\":\"x\",\"channel\":\"c\",\"brand\":\"b\"}\n"
                                   "{\"post\":2,\"author\":\"a\",\"text\":\"x\",\"channel\":\"c\",\"brand\":\"b\"}\n",
                                   "a.ndjson");
    map_to(&sheet, "parent=reply_to");
    char *problems = bind(&sheet, 0);
    assert_string_equal(problems, "warning: --map parent=reply_to: the first rows have no reply_to\n");
    free(problems);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_string_equal(post.post.post, "1");
    assert_null(post.post.parent);
    sheet_destroy(&sheet);
}

static void edits_and_deletions_of_ndjson_are_what_they_say(void **state)
{
    (void) state;
    struct sheet sheet =
        sheet_new("{\"type\":\"post\",\"post\":1,\"author\":\"a\",\"text\":\"x\",\"channel\":\"c\",\"brand\":\"b\"}\n"
                  "{\"type\":\"edit\",\"post\":1,\"channel\":\"c\",\"text\":\"y\",\"edited_ms\":1424805359000}\n"
                  "{\"type\":\"delete\",\"post\":1,\"channel\":\"c\",\"deleted_ms\":1424805360000}\n"
                  "{\"type\":\"edit\",\"channel\":\"c\",\"text\":\"y\"}\n",
                  "a.ndjson");
    bind_well(&sheet);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_int_equal(post.type, BEHALF_POST);
    next_post(&sheet, &post);
    assert_int_equal(post.type, BEHALF_EDIT);
    assert_string_equal(post.edit.text, "y");
    assert_int_equal(post.edit.edited_ms, INT64_C(1424805359000));
    next_post(&sheet, &post);
    assert_int_equal(post.type, BEHALF_DELETE);
    assert_string_equal(post.delete_post.post, "1");
    assert_int_equal(post.delete_post.deleted_ms, INT64_C(1424805360000));
    expect_bad_row(&sheet, "post: is missing");
    sheet_destroy(&sheet);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void) state;
    struct feed_map *map = feed_map_new();
    char fault[FEED_FAULT_BYTES];
    assert_false(feed_map_add(map, "txt=x", fault));
    assert_non_null(strstr(fault, "a post has no field txt; its fields are channel, post, brand"));
    assert_false(feed_map_add(map, "text", fault));
    assert_true(feed_map_add(map, "text=x", fault));
    assert_false(feed_map_add(map, "text=y", fault));
    assert_string_equal(fault, "text is given twice");
    assert_false(feed_map_add_value(map, "brand=x", fault));
    assert_false(feed_map_add_values(map, "brand=/does/not/exist", fault));
    assert_string_equal(fault, "/does/not/exist: No such file or directory");
    assert_false(feed_map_add_time_format(map, "seconds", fault));
    feed_map_destroy(&map);
}

static void values_are_translated_and_others_make_bad_rows(void **state)
{
    (void) state;
    struct sheet sheet = sheet_new("post,author,text,channel,airline,lang\n1,jo,x,c,Virgin America,english\n"
                                   "2,jo,x,c,Delta,english\n3,jo,x,c,US Airways,klingon\n",
                                   "a.csv");
    map_to(&sheet, "brand=airline");
    map_to(&sheet, "language=lang");
    assert_true(feed_map_add_value(sheet.map, "brand:Virgin America=virgin", sheet.fault));
    assert_true(feed_map_add_value(sheet.map, "brand:US Airways=usair", sheet.fault));
    assert_false(feed_map_add_value(sheet.map, "brand:US Airways=other", sheet.fault));
    assert_true(feed_map_add_value(sheet.map, "language:english=en", sheet.fault));
    assert_true(feed_map_add_value(sheet.map, "language:*=und", sheet.fault));
    bind_well(&sheet);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_string_equal(post.post.brand, "virgin");
    assert_string_equal(post.post.language, "en");
    expect_bad_row(&sheet, "brand: nothing was said about the value Delta; see --value");
    next_post(&sheet, &post);
    assert_string_equal(post.post.brand, "usair");
    assert_string_equal(post.post.language, "und");
    sheet_destroy(&sheet);
}

static void values_come_from_a_file_too(void **state)
{
    (void) state;
    char path[] = "/tmp/behalf-values-XXXXXX", option[64], fault[FEED_FAULT_BYTES];
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    static const char text[] = "from,to\n\"Virgin, America\",virgin\nDelta,delta\n";
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    snprintf(option, sizeof option, "brand=%s", path);
    struct feed_map *map = feed_map_new();
    bool good = feed_map_add_values(map, option, fault);
    bool twice = feed_map_add_values(map, option, fault);
    assert_int_equal(ftruncate(descriptor, 5), 0);
    struct feed_map *other = feed_map_new();
    bool headless = feed_map_add_values(other, option, fault);
    unlink(path);
    close(descriptor);
    feed_map_destroy(&map);
    feed_map_destroy(&other);
    assert_true(good);
    assert_false(twice);
    assert_false(headless);
    assert_non_null(strstr(fault, "should be a CSV file whose first line is from,to"));
}

static void what_cannot_be_a_post_is_a_bad_row(void **state)
{
    (void) state;
    static const char head[] = "post,author,text,channel,brand,reach,posted_ms\n";
    char rows[4096], long_id[BEHALF_KEY_BYTES + 2];
    memset(long_id, 'x', sizeof long_id);
    long_id[sizeof long_id - 1] = '\0';
    snprintf(rows, sizeof rows,
             "%s,jo,x,c,b,,\n1,jo,x,c,,,\n1,j\xf6,a\xff"
             "b,c,b,,\n1,jo,x,c,b,,soon\n%s,jo,x,c,b,,\n1,jo,x,c,b,,\n",
             head, long_id);
    struct sheet sheet = sheet_new(rows, "a.csv");
    bind_well(&sheet);
    expect_bad_row(&sheet, "post: is missing");
    expect_bad_row(&sheet, "brand: is missing");
    expect_bad_row(&sheet, "author: is not UTF-8, at byte 2 (0xf6); if the file is Latin-1: iconv -f latin1 -t utf-8");
    expect_bad_row(&sheet, "posted_ms: soon is no time that is understood; say how it is written, as in "
                           "--time-format '%d.%m.%Y %H:%M'");
    expect_bad_row(&sheet, "post: is 257 bytes long, 256 at most");
    struct behalf_message post;
    next_post(&sheet, &post);
    sheet_destroy(&sheet);
}

static void a_reach_that_is_no_number_costs_no_post(void **state)
{
    (void) state;
    struct sheet sheet = sheet_new("post,author,text,channel,brand,reach,posted_ms\n"
                                   "1,jo,x,c,b,many,N/A\n2,jo,x,c,b,-1,\n3,jo,x,c,b,1.2K,\n",
                                   "a.csv");
    bind_well(&sheet);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_int_equal(post.post.reach, 0);
    assert_string_equal(mending_notes(sheet.mending), "reach left out, posted_ms left out");
    next_post(&sheet, &post);
    assert_int_equal(post.post.reach, 0);
    next_post(&sheet, &post);
    assert_int_equal(post.post.reach, 1200);
    assert_string_equal(mending_notes(sheet.mending), "");
    sheet_destroy(&sheet);
}

static void a_list_where_a_detail_should_be_is_left_out(void **state)
{
    (void) state;
    struct sheet sheet =
        sheet_new("{\"post\":1,\"author\":\"a\",\"text\":\"x\",\"channel\":\"c\",\"brand\":\"b\",\"link\":[1]}\n"
                  "{\"post\":[2],\"author\":\"a\",\"text\":\"x\",\"channel\":\"c\",\"brand\":\"b\"}\n",
                  "a.ndjson");
    bind_well(&sheet);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_null(post.post.link);
    assert_string_equal(mending_notes(sheet.mending), "link left out");
    expect_bad_row(&sheet, "post: is a list or an object, not a value");
    sheet_destroy(&sheet);
}

static void columns_in_capitals_are_the_fields(void **state)
{
    (void) state;
    struct sheet sheet =
        sheet_new("Post, AUTHOR, Text,Channel,brand,Author Name\n1, ann, \"hello, there\",c,b,Ann\n", "a.csv");
    bind_well(&sheet);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_string_equal(post.post.author, "ann");
    assert_string_equal(post.post.text, "hello, there");
    assert_string_equal(post.post.author_name, "Ann");
    sheet_destroy(&sheet);
}

static void a_nul_in_a_cell_becomes_a_broken_character(void **state)
{
    (void) state;
    static const char text[] = "post,author,text,channel,brand\n1,jo,a\0b,c,b\n";
    struct sheet sheet = { .descriptor = memfd_create("sheet", 0), .map = feed_map_new(), .mending = mending_new() };
    assert_int_equal(write(sheet.descriptor, text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(lseek(sheet.descriptor, 0, SEEK_SET), 0);
    sheet.reader = row_reader_new(sheet.descriptor, "a.csv", ROW_FORMAT_GUESS, 0);
    assert_true(row_reader_open(sheet.reader, sheet.fault));
    bind_well(&sheet);
    struct behalf_message post;
    next_post(&sheet, &post);
    assert_string_equal(post.post.text, "a\xef\xbf\xbd"
                                        "b");
    assert_string_equal(mending_notes(sheet.mending), "row with broken characters");
    sheet_destroy(&sheet);
}

// ---- cursors ----

static char folder[] = "/tmp/behalf-cursor-XXXXXX";

static int make_folder(void **state)
{
    (void) state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void) state;
    return rmdir(folder);
}

static void a_cursor_tells_how_far_it_came(void **state)
{
    (void) state;
    char path[64], beside[80], fault[512];
    uint64_t rows = 7;
    snprintf(path, sizeof path, "%s/cursor", folder);
    snprintf(beside, sizeof beside, "%s.new", path);
    assert_true(feed_cursor_load(path, "posts.csv", &rows, fault, sizeof fault));
    assert_int_equal(rows, 0);
    assert_true(feed_cursor_save(path, "posts.csv", 41, fault, sizeof fault));
    assert_true(feed_cursor_save(path, "posts.csv", 42, fault, sizeof fault));
    assert_true(feed_cursor_load(path, "posts.csv", &rows, fault, sizeof fault));
    assert_int_equal(rows, 42);
    assert_int_equal(access(beside, F_OK), -1);
    unlink(path);
}

static void a_cursor_of_another_file_or_none_at_all_is_refused(void **state)
{
    (void) state;
    char path[64], fault[512];
    uint64_t rows;
    snprintf(path, sizeof path, "%s/cursor", folder);
    assert_true(feed_cursor_save(path, "posts.csv", 41, fault, sizeof fault));
    assert_false(feed_cursor_load(path, "others.csv", &rows, fault, sizeof fault));
    assert_non_null(strstr(fault, "belongs to posts.csv, not to others.csv"));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"source\":\"posts.csv\",\"rows\":-1}", file);
    fclose(file);
    assert_false(feed_cursor_load(path, "posts.csv", &rows, fault, sizeof fault));
    assert_non_null(strstr(fault, "is not a cursor"));
    unlink(path);
}

static void a_cursor_that_cannot_be_written_says_why(void **state)
{
    (void) state;
    char path[64], fault[512];
    snprintf(path, sizeof path, "%s/no/such/folder", folder);
    assert_false(feed_cursor_save(path, "posts.csv", 1, fault, sizeof fault));
    assert_non_null(strstr(fault, "No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_with_an_exponent_is_rounded),
        cmocka_unit_test(a_number_with_a_point_is_no_id),
        cmocka_unit_test(ids_that_all_end_in_zeros_are_rounded),
        cmocka_unit_test(an_id_that_is_not_rounded_clears_the_others),
        cmocka_unit_test(usual_times_are_understood),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(formats_given_replace_the_usual_ones),
        cmocka_unit_test(a_zone_holds_for_times_that_name_none),
        cmocka_unit_test(columns_constants_and_own_names_become_fields),
        cmocka_unit_test(unknown_columns_are_told_with_those_there_are),
        cmocka_unit_test(a_text_must_be_mapped_or_left_out_in_words),
        cmocka_unit_test(a_key_that_only_later_rows_have_is_a_warning),
        cmocka_unit_test(edits_and_deletions_of_ndjson_are_what_they_say),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(values_are_translated_and_others_make_bad_rows),
        cmocka_unit_test(values_come_from_a_file_too),
        cmocka_unit_test(what_cannot_be_a_post_is_a_bad_row),
        cmocka_unit_test(a_reach_that_is_no_number_costs_no_post),
        cmocka_unit_test(a_list_where_a_detail_should_be_is_left_out),
        cmocka_unit_test(columns_in_capitals_are_the_fields),
        cmocka_unit_test(a_nul_in_a_cell_becomes_a_broken_character),
        cmocka_unit_test(a_zone_by_name_changes_its_clock),
        cmocka_unit_test(an_unknown_zone_names_those_near_it),
        cmocka_unit_test(a_cursor_tells_how_far_it_came),
        cmocka_unit_test(a_cursor_of_another_file_or_none_at_all_is_refused),
        cmocka_unit_test(a_cursor_that_cannot_be_written_says_why),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
