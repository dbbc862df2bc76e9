// message_test.c - every message both ways, its golden bytes, and every way in which a frame can be bad.
//
// Run with --write FILE it writes the golden bytes instead of comparing them.

#include <behalf/message.h>

#include "proto/frame_walk.h"
#include "tests/unit/message_samples.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>

#define EACH_TYPE(type)                                                                                                \
    enum behalf_type type = BEHALF_NONE + 1;                                                                           \
    type < BEHALF_TYPE_COUNT;                                                                                          \
    type++

static const char *golden_path;

// ---- comparing two messages, whatever they are ----

static const void *pointer_at(const char *body, size_t offset)
{
    const void *pointer;
    memcpy(&pointer, body + offset, sizeof(pointer));
    return pointer;
}

static size_t count_at(const char *body, size_t offset)
{
    size_t count;
    memcpy(&count, body + offset, sizeof(count));
    return count;
}

static const char *text_at(const char *body, size_t offset)
{
    const char *text = pointer_at(body, offset);
    return text != NULL ? text : "";
}

static void assert_same_fields(const struct behalf_field *table, const char *left, const char *right)
{
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        if (field->kind == 't') {
            assert_string_equal(text_at(left, field->offset), text_at(right, field->offset));
        } else if (field->kind == 'n') {
            assert_memory_equal(left + field->offset, right + field->offset, sizeof(int64_t));
        } else if (field->kind == 'f') {
            assert_memory_equal(left + field->offset, right + field->offset, sizeof(bool));
        } else {
            size_t count = count_at(left, field->count_offset);
            assert_int_equal(count, count_at(right, field->count_offset));
            const char *const *left_texts = pointer_at(left, field->offset);
            const char *const *right_texts = pointer_at(right, field->offset);
            for (size_t i = 0; i < count; i++) {
                if (field->kind == 's') {
                    assert_string_equal(left_texts[i], right_texts[i]);
                } else {
                    assert_same_fields(field->record, (const char *) left_texts + i * field->record_bytes,
                                       (const char *) right_texts + i * field->record_bytes);
                }
            }
        }
    }
}

static void assert_same(const struct behalf_message *left, const struct behalf_message *right)
{
    assert_int_equal(left->type, right->type);
    assert_int_equal(left->id, right->id);
    assert_same_fields(behalf_type_fields(left->type), (const char *) &left->hello, (const char *) &right->hello);
}

// ---- both ways ----

static uint8_t *encode(const struct behalf_message *message, size_t *bytes)
{
    struct behalf_fault fault;
    uint8_t *frame = behalf_message_encode(message, bytes, &fault);
    if (frame == NULL) {
        fail_msg("%s.%s: %s", behalf_type_name(message->type), fault.field, fault.reason);
    }
    return frame;
}

static struct behalf_message *decode(const uint8_t *frame, size_t bytes)
{
    struct behalf_fault fault;
    struct behalf_message *message = behalf_message_decode(frame, bytes, &fault);
    if (message == NULL) {
        fail_msg("%s %s: %s", behalf_code_name(fault.code), fault.field, fault.reason);
    }
    return message;
}

static void assert_round_trip(enum behalf_type type, enum sample_kind kind)
{
    struct sample *sample = sample_new(type, kind);
    size_t bytes;
    uint8_t *frame = encode(&sample->message, &bytes);
    struct behalf_message *decoded = decode(frame, bytes);
    assert_same(&sample->message, decoded);
    struct behalf_message *copy = behalf_message_copy(decoded);
    behalf_message_destroy(&decoded);
    assert_null(decoded);
    free(frame);
    assert_same(&sample->message, copy);
    behalf_message_destroy(&copy);
    sample_destroy(&sample);
}

static void every_message_goes_round_with_every_field_at_its_upper_limit(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        assert_round_trip(type, SAMPLE_LARGEST);
    }
}

static void every_message_goes_round_with_every_number_at_its_lower_limit(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        assert_round_trip(type, SAMPLE_SMALLEST);
    }
}

static void every_message_goes_round_with_only_required_fields(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        assert_round_trip(type, SAMPLE_REQUIRED);
    }
}

static void absent_texts_are_empty_and_never_null(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        struct sample *sample = sample_new(type, SAMPLE_REQUIRED);
        size_t bytes;
        uint8_t *frame = encode(&sample->message, &bytes);
        struct behalf_message *decoded = decode(frame, bytes);
        for (const struct behalf_field *field = behalf_type_fields(type); field->name != NULL; field++) {
            if (field->kind == 't') {
                assert_non_null(pointer_at((const char *) &decoded->hello, field->offset));
            }
        }
        behalf_message_destroy(&decoded);
        free(frame);
        sample_destroy(&sample);
    }
}

static void lists_go_round_with_as_many_records_as_are_allowed(void **state)
{
    (void) state;
    static struct behalf_queue_count queues[4096];
    static struct behalf_person_count people[4097];
    for (size_t i = 0; i < 4096; i++) {
        queues[i] = (struct behalf_queue_count){ .audience = "agent", .brand = "acme", .language = "en", .late = 7 };
    }
    for (size_t i = 0; i < 4097; i++) {
        people[i] = (struct behalf_person_count){ .name = "asha" };
    }
    struct behalf_message counts = { .type = BEHALF_COUNTS,
                                     .counts = { .desk = "d",
                                                 .now_ms = 1,
                                                 .queues = queues,
                                                 .queues_count = 4096,
                                                 .people = people,
                                                 .people_count = 4096 } };
    size_t bytes;
    uint8_t *frame = encode(&counts, &bytes);
    struct behalf_message *decoded = decode(frame, bytes);
    assert_same(&counts, decoded);
    behalf_message_destroy(&decoded);
    free(frame);

    counts.counts.people_count = 4097;
    struct behalf_fault fault;
    assert_null(behalf_message_encode(&counts, &bytes, &fault));
    assert_string_equal(fault.field, "people");
    assert_non_null(strstr(fault.reason, "4096"));
}

static void frame_that_would_be_too_long_is_not_made(void **state)
{
    (void) state;
    static char text[BEHALF_POST_BYTES + 1];
    memset(text, 'x', BEHALF_POST_BYTES);
    struct behalf_entry story[64];
    for (size_t i = 0; i < 64; i++) {
        story[i] = (struct behalf_entry){ .kind = "post", .text = text };
    }
    struct sample *sample = sample_new(BEHALF_ITEM, SAMPLE_REQUIRED);
    sample->message.item.story = story;
    sample->message.item.story_count = 64;
    size_t bytes = 1;
    struct behalf_fault fault;
    assert_null(behalf_message_encode(&sample->message, &bytes, &fault));
    assert_int_equal(fault.code, BEHALF_CODE_INVALID);
    assert_int_equal(bytes, 0);
    assert_non_null(strstr(fault.reason, "1048576"));
    sample_destroy(&sample);
}

// A frame may wait long to be read, with thousands of others.
static void frame_takes_no_more_memory_than_its_bytes(void **state)
{
    (void) state;
    for (size_t length = 1; length <= BEHALF_POST_BYTES; length *= 2) {
        static char text[BEHALF_POST_BYTES + 1];
        memset(text, 'x', length);
        text[length] = '\0';
        struct behalf_entry entry = { .kind = "post", .text = text };
        struct sample *sample = sample_new(BEHALF_ITEM, SAMPLE_REQUIRED);
        sample->message.item.story = &entry;
        sample->message.item.story_count = 1;
        size_t bytes = 0;
        struct behalf_fault fault;
        void *frame = behalf_message_encode(&sample->message, &bytes, &fault);
        assert_non_null(frame);
        assert_true(bytes > length);
        assert_true(malloc_usable_size(frame) <= bytes + bytes / 8 + 64);
        struct behalf_message *message = behalf_message_decode(frame, bytes, &fault);
        assert_non_null(message);
        assert_string_equal(message->item.story[0].text, text);
        behalf_message_destroy(&message);
        free(frame);
        sample_destroy(&sample);
    }
}

// ---- golden bytes ----

static void write_hex(FILE *file, const uint8_t *frame, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        fprintf(file, "%02x", frame[i]);
    }
}

static void write_golden_line(FILE *file, enum behalf_type type, enum sample_kind kind)
{
    struct sample *sample = sample_new(type, kind);
    size_t bytes;
    struct behalf_fault fault;
    uint8_t *frame = behalf_message_encode(&sample->message, &bytes, &fault);
    fprintf(file, "%s %s ", behalf_type_name(type), kind == SAMPLE_FULL ? "full" : "required");
    write_hex(file, frame, bytes);
    fputc('\n', file);
    free(frame);
    sample_destroy(&sample);
}

static void write_golden(FILE *file)
{
    fprintf(file, "# Golden bytes of every message: its type, which fields are set, and the frame in hex.\n"
                  "# Made by the rule in message_samples.h; message_test --write FILE writes this file.\n");
    for (EACH_TYPE(type)) {
        write_golden_line(file, type, SAMPLE_REQUIRED);
        write_golden_line(file, type, SAMPLE_FULL);
    }
}

static uint8_t nibble(char digit)
{
    return (uint8_t) (digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static uint8_t *from_hex(const char *hex, size_t *bytes)
{
    *bytes = strlen(hex) / 2;
    uint8_t *frame = malloc(*bytes > 0 ? *bytes : 1);
    assert_non_null(frame);
    for (size_t i = 0; i < *bytes; i++) {
        frame[i] = (uint8_t) (nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return frame;
}

static void assert_golden(enum behalf_type type, enum sample_kind kind, const char *hex)
{
    struct sample *sample = sample_new(type, kind);
    size_t golden_bytes, bytes;
    uint8_t *golden = from_hex(hex, &golden_bytes);
    uint8_t *frame = encode(&sample->message, &bytes);
    assert_int_equal(bytes, golden_bytes);
    assert_memory_equal(frame, golden, bytes);
    struct behalf_message *decoded = decode(golden, golden_bytes);
    assert_same(&sample->message, decoded);
    behalf_message_destroy(&decoded);
    free(frame);
    free(golden);
    sample_destroy(&sample);
}

static void golden_bytes_are_what_is_sent_and_understood(void **state)
{
    (void) state;
    FILE *file = fopen(golden_path, "r");
    assert_non_null(file);
    static char line[65536];
    bool seen[BEHALF_TYPE_COUNT][2] = { 0 };
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        char name[32], kind[16];
        static char hex[65536];
        assert_int_equal(sscanf(line, "%31s %15s %65535s", name, kind, hex), 3);
        enum behalf_type type = behalf_type_from_name(name);
        assert_int_not_equal(type, BEHALF_NONE);
        bool full = strcmp(kind, "full") == 0;
        seen[type][full ? 1 : 0] = true;
        assert_golden(type, full ? SAMPLE_FULL : SAMPLE_REQUIRED, hex);
    }
    fclose(file);
    for (EACH_TYPE(type)) {
        assert_true(seen[type][0]);
        assert_true(seen[type][1]);
    }
}

// ---- bad frames ----

static void assert_refused(const uint8_t *frame, size_t bytes, enum behalf_code code, const char *field)
{
    struct behalf_fault fault;
    // A copy of exactly this length, so that a read past its end is seen.
    uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(exact);
    if (bytes > 0) {
        memcpy(exact, frame, bytes);
    }
    struct behalf_message *message = behalf_message_decode(exact, bytes, &fault);
    free(exact);
    assert_null(message);
    assert_string_equal(behalf_code_name(fault.code), behalf_code_name(code));
    assert_string_equal(fault.field, field);
    assert_int_not_equal(fault.reason[0], '\0');
}

static void frame_cut_at_any_byte_is_malformed(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        struct sample *sample = sample_new(type, SAMPLE_FULL);
        size_t bytes;
        uint8_t *frame = encode(&sample->message, &bytes);
        for (size_t cut = 0; cut < bytes; cut++) {
            assert_refused(frame, cut, BEHALF_CODE_MALFORMED, "");
        }
        free(frame);
        sample_destroy(&sample);
    }
}

static void frame_with_bytes_behind_it_is_malformed(void **state)
{
    (void) state;
    static const char frame[] = "\x93\xa9HEARTBEAT\x01\x80\xc0";
    struct frame_walk walk;
    assert_false(frame_walk(frame, 14, &walk));
    assert_string_equal(walk.fault, "bytes follow the end of the message");
    assert_true(frame_walk(frame, 13, &walk));
    assert_refused((const uint8_t *) frame, 14, BEHALF_CODE_MALFORMED, "");
}

static void frame_longer_than_allowed_is_malformed(void **state)
{
    (void) state;
    // A good frame but for its length: an unknown key with a very long binary value.
    size_t bytes = BEHALF_FRAME_BYTES + 1;
    uint8_t *frame = calloc(1, bytes);
    assert_non_null(frame);
    memcpy(frame, "\x93\xa9HEARTBEAT\x01\x81\xa1x\xc6", 16);
    uint32_t payload = (uint32_t) (bytes - 20);
    for (size_t i = 0; i < 4; i++) {
        frame[16 + i] = (uint8_t) (payload >> (24 - 8 * i));
    }
    assert_refused(frame, bytes, BEHALF_CODE_MALFORMED, "");
    // One byte less is allowed.
    frame[19]--;
    struct behalf_message *message = decode(frame, bytes - 1);
    behalf_message_destroy(&message);
    free(frame);
}

static void header_that_claims_more_than_there_is_allocates_nothing(void **state)
{
    (void) state;
    static const char *const headers[] = { "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff",
                                           "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x01" };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        size_t header_bytes = i == 4 ? 6 : 5;
        uint8_t frame[64];
        struct frame_walk walk;
        assert_false(frame_walk(headers[i], header_bytes, &walk));
        assert_refused((const uint8_t *) headers[i], header_bytes, BEHALF_CODE_MALFORMED, "");
        memcpy(frame, "\x93\xa9HEARTBEAT\x01\x81\xa1x", 15);
        memcpy(frame + 15, headers[i], header_bytes);
        assert_refused(frame, 15 + header_bytes, BEHALF_CODE_MALFORMED, "");
        memcpy(frame + 12, headers[i], header_bytes);
        assert_refused(frame, 12 + header_bytes, BEHALF_CODE_MALFORMED, "");
    }
}

static void frame_nested_too_deep_is_malformed(void **state)
{
    (void) state;
    uint8_t frame[4096];
    memcpy(frame, "\x93\xa9HEARTBEAT\x01\x81\xa1x", 15);
    for (size_t depth = 1; depth < 4000; depth++) {
        memset(frame + 15, 0x91, depth - 1);
        frame[15 + depth - 1] = 0x90;
        bool allowed = depth + 2 <= FRAME_DEPTH_MAX; // the frame's array and its body are two
        if (allowed) {
            struct behalf_message *message = decode(frame, 15 + depth);
            behalf_message_destroy(&message);
        } else {
            assert_refused(frame, 15 + depth, BEHALF_CODE_MALFORMED, "");
        }
    }
}

static void frame_of_too_many_values_is_malformed(void **state)
{
    (void) state;
    size_t bytes = 20 + 300000;
    uint8_t *frame = malloc(bytes);
    assert_non_null(frame);
    memset(frame, 0xc0, bytes);
    memcpy(frame, "\x93\xa9HEARTBEAT\x01\x81\xa1x\xdd", 16);
    for (size_t i = 0; i < 4; i++) {
        frame[16 + i] = (uint8_t) (300000u >> (24 - 8 * i));
    }
    assert_refused(frame, bytes, BEHALF_CODE_MALFORMED, "");
    free(frame);
}

static void frame_of_another_shape_is_malformed(void **state)
{
    (void) state;
    static const struct {
        const char *frame;
        size_t bytes;
    } frames[] = {
        { "", 0 },
        { "hello", 5 },
        { "\xc0", 1 },
        { "\x80", 1 },
        { "\x92\xa9HEARTBEAT\x01", 12 },
        { "\x94\xa9HEARTBEAT\x01\x80\x80", 14 },
        { "\x93\xc4\x09HEARTBEAT\x01\x80", 14 },                 // the type as bytes
        { "\x93\x05\x01\x80", 4 },                               // the type as a number
        { "\x93\xa9HEARTBEAT\xff\x80", 13 },                     // a negative id
        { "\x93\xa9HEARTBEAT\xd3\x80\0\0\0\0\0\0\0\x80", 21 },   // another
        { "\x93\xa9HEARTBEAT\xcf\x80\0\0\0\0\0\0\0\x80", 21 },   // an id beyond 63 bits
        { "\x93\xa9HEARTBEAT\xcb\x3f\xf0\0\0\0\0\0\0\x80", 21 }, // an id with a fraction
        { "\x93\xa9HEARTBEAT\xa1\x31\x80", 14 },                 // an id as a text
        { "\x93\xa9HEARTBEAT\x01\x90", 13 },                     // the body as an array
        { "\x93\xa9HEARTBEAT\x01\xc0", 13 },                     // no body
        { "\x93\xa9HEARTBEAT\x01\xc1", 13 },                     // the byte never used
    };
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        assert_refused((const uint8_t *) frames[i].frame, frames[i].bytes, BEHALF_CODE_MALFORMED, "");
    }
}

static void ids_in_every_width_are_understood(void **state)
{
    (void) state;
    static const struct {
        const char *frame;
        size_t bytes;
        int64_t id;
    } frames[] = {
        { "\x93\xa9HEARTBEAT\xcc\xff\x80", 14, 255 },
        { "\x93\xa9HEARTBEAT\xcd\x01\x00\x80", 15, 256 },
        { "\x93\xa9HEARTBEAT\xce\x00\x00\x00\x05\x80", 17, 5 },
        { "\x93\xa9HEARTBEAT\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\x80", 21, INT64_MAX },
        { "\x93\xa9HEARTBEAT\xd0\x7f\x80", 14, 127 },
        { "\x93\xa9HEARTBEAT\xd3\x7f\xff\xff\xff\xff\xff\xff\xff\x80", 21, INT64_MAX },
    };
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct behalf_message *message = decode((const uint8_t *) frames[i].frame, frames[i].bytes);
        assert_int_equal(message->id, frames[i].id);
        behalf_message_destroy(&message);
    }
}

static void type_that_does_not_exist_is_named_with_the_id(void **state)
{
    (void) state;
    struct behalf_fault fault;
    assert_null(behalf_message_decode("\x93\xa5HELL0\x2a\x80", 9, &fault));
    assert_int_equal(fault.code, BEHALF_CODE_UNKNOWN_TYPE);
    assert_int_equal(fault.id, 42);
    assert_null(behalf_message_decode("\x93\xa4NONE\x2a\x80", 8, &fault));
    assert_int_equal(fault.code, BEHALF_CODE_UNKNOWN_TYPE);
}

static void malformed_frame_tells_its_id_as_far_as_it_was_read(void **state)
{
    (void) state;
    struct behalf_fault fault;
    assert_null(behalf_message_decode("\x93\xa4TAKE\x2a\xc1", 8, &fault));
    assert_int_equal(fault.code, BEHALF_CODE_MALFORMED);
    assert_int_equal(fault.id, 42);
}

// ---- one field wrong ----

enum change {
    CHANGE_DROP,      // leave the field out
    CHANGE_TWICE,     // send it twice
    CHANGE_TYPE,      // send a float, which no field is
    CHANGE_NIL,       // send nil
    CHANGE_ABOVE,     // a number, or a length, or a count, one above the limit
    CHANGE_BELOW,     // a number one below the limit
    CHANGE_HUGE,      // a number beyond 63 bits
    CHANGE_EMPTY,     // an empty text
    CHANGE_NUL,       // a text with a NUL
    CHANGE_NOT_UTF8,  // a text that is not UTF-8
    CHANGE_SURROGATE, // a text with a UTF-16 surrogate, which UTF-8 forbids
    CHANGE_NOTHING
};

static void pack_bytes_as_text(msgpack_packer *packer, const char *text, size_t bytes)
{
    msgpack_pack_str(packer, bytes);
    msgpack_pack_str_body(packer, text, bytes);
}

static void pack_above(msgpack_packer *packer, const struct behalf_field *field)
{
    size_t more = (size_t) field->maximum + 1;
    if (field->kind == 'n') {
        msgpack_pack_uint64(packer, (uint64_t) more);
    } else if (field->kind == 't') {
        char *text = malloc(more);
        assert_non_null(text);
        memset(text, 'x', more);
        pack_bytes_as_text(packer, text, more);
        free(text);
    } else {
        msgpack_pack_array(packer, more);
        for (size_t i = 0; i < more; i++) {
            field->kind == 's' ? pack_bytes_as_text(packer, "x", 1) : (void) msgpack_pack_map(packer, 0);
        }
    }
}

static void pack_changed(msgpack_packer *packer, const struct behalf_field *field, enum change change)
{
    if (change == CHANGE_TYPE) {
        msgpack_pack_double(packer, 1.5);
    } else if (change == CHANGE_NIL) {
        msgpack_pack_nil(packer);
    } else if (change == CHANGE_ABOVE) {
        pack_above(packer, field);
    } else if (change == CHANGE_BELOW) {
        msgpack_pack_int64(packer, field->minimum - 1);
    } else if (change == CHANGE_HUGE) {
        msgpack_pack_uint64(packer, UINT64_MAX);
    } else if (change == CHANGE_EMPTY) {
        pack_bytes_as_text(packer, "", 0);
    } else if (change == CHANGE_NUL) {
        pack_bytes_as_text(packer, "a\0b", 3);
    } else if (change == CHANGE_NOT_UTF8) {
        pack_bytes_as_text(packer, "a\xc3", 2);
    } else if (change == CHANGE_SURROGATE) {
        pack_bytes_as_text(packer, "\xed\xa0\x80", 3);
    }
}

static bool names(const msgpack_object *key, const struct behalf_field *field)
{
    return key->via.str.size == strlen(field->name) && memcmp(key->via.str.ptr, field->name, key->via.str.size) == 0;
}

// Packs a full sample's frame again with one field of its body, or of the first record of its list
// `list`, changed.
static void pack_map_changed(msgpack_packer *packer, const msgpack_object_map *map, const struct behalf_field *list,
                             const struct behalf_field *field, enum change change)
{
    bool inside = list != NULL;
    uint32_t size = map->size;
    if (!inside && change == CHANGE_DROP) {
        size--;
    }
    if (!inside && change == CHANGE_TWICE) {
        size++;
    }
    msgpack_pack_map(packer, size);
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_kv *pair = &map->ptr[i];
        if (!inside && names(&pair->key, field)) {
            if (change == CHANGE_DROP) {
                continue;
            }
            msgpack_pack_object(packer, pair->key);
            if (change == CHANGE_TWICE) {
                msgpack_pack_object(packer, pair->val);
                msgpack_pack_object(packer, pair->key);
                msgpack_pack_object(packer, pair->val);
            } else {
                pack_changed(packer, field, change);
            }
        } else if (inside && names(&pair->key, list)) {
            msgpack_pack_object(packer, pair->key);
            msgpack_pack_array(packer, 1);
            pack_map_changed(packer, &pair->val.via.array.ptr[0].via.map, NULL, field, change);
        } else {
            msgpack_pack_object(packer, pair->key);
            msgpack_pack_object(packer, pair->val);
        }
    }
}

static void assert_change(enum behalf_type type, const struct behalf_field *list, const struct behalf_field *field,
                          enum change change, enum behalf_code code)
{
    struct sample *sample = sample_new(type, SAMPLE_FULL);
    size_t bytes;
    uint8_t *frame = encode(&sample->message, &bytes);
    msgpack_unpacked tree;
    msgpack_unpacked_init(&tree);
    assert_int_equal(msgpack_unpack_next(&tree, (const char *) frame, bytes, NULL), MSGPACK_UNPACK_SUCCESS);
    msgpack_sbuffer changed;
    msgpack_sbuffer_init(&changed);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &changed, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 3);
    msgpack_pack_object(&packer, tree.data.via.array.ptr[0]);
    msgpack_pack_object(&packer, tree.data.via.array.ptr[1]);
    pack_map_changed(&packer, &tree.data.via.array.ptr[2].via.map, list, field, change);
    if (code == BEHALF_CODE_NONE) {
        struct behalf_message *message = decode((const uint8_t *) changed.data, changed.size);
        behalf_message_destroy(&message);
    } else {
        char name[160];
        snprintf(name, sizeof(name), "%s%s%s", list != NULL ? list->name : "", list != NULL ? "[0]." : "", field->name);
        assert_refused((const uint8_t *) changed.data, changed.size, code, name);
    }
    msgpack_sbuffer_destroy(&changed);
    msgpack_unpacked_destroy(&tree);
    free(frame);
    sample_destroy(&sample);
}

// The same for a field of a post that is mended: only what names the post, or is what was written, can be refused.
static enum behalf_code expected_of_mended(const struct behalf_field *field, enum change change)
{
    bool names = field->mending == BEHALF_MENDED_DIGITS;
    bool is_text = field->kind == 't';
    switch (change) {
    case CHANGE_TYPE:
        return names || field->mending == BEHALF_MENDED_WORDS ? BEHALF_CODE_INVALID : BEHALF_CODE_NONE;
    case CHANGE_NIL:
        return field->required ? BEHALF_CODE_INVALID : BEHALF_CODE_NONE;
    case CHANGE_ABOVE:
        return names ? BEHALF_CODE_INVALID : BEHALF_CODE_NONE;
    case CHANGE_BELOW:
    case CHANGE_HUGE:
        return is_text ? BEHALF_CODE_COUNT : BEHALF_CODE_NONE;
    default:
        return !is_text ? BEHALF_CODE_COUNT : names ? BEHALF_CODE_INVALID : BEHALF_CODE_NONE;
    }
}

// What each change must lead to for a field of this kind; CODE_COUNT: the change does not apply to it.
static enum behalf_code expected(const struct behalf_field *field, enum change change)
{
    bool form = change == CHANGE_DROP || change == CHANGE_TWICE || change == CHANGE_EMPTY;
    if (field->mending != BEHALF_MENDED_NOT && !form) {
        return expected_of_mended(field, change);
    }
    switch (change) {
    case CHANGE_DROP:
        return field->required ? BEHALF_CODE_MISSING : BEHALF_CODE_NONE;
    case CHANGE_TWICE:
    case CHANGE_TYPE:
    case CHANGE_NIL:
        return BEHALF_CODE_INVALID;
    case CHANGE_ABOVE:
        return field->kind != 'f' ? BEHALF_CODE_INVALID : BEHALF_CODE_COUNT;
    case CHANGE_BELOW:
    case CHANGE_HUGE:
        return field->kind == 'n' ? BEHALF_CODE_INVALID : BEHALF_CODE_COUNT;
    case CHANGE_EMPTY:
        return field->kind != 't' ? BEHALF_CODE_COUNT : field->required ? BEHALF_CODE_INVALID : BEHALF_CODE_NONE;
    default:
        return field->kind == 't' ? BEHALF_CODE_INVALID : BEHALF_CODE_COUNT;
    }
}

static void assert_changes(enum behalf_type type, const struct behalf_field *list, const struct behalf_field *table)
{
    for (const struct behalf_field *field = table; field->name != NULL; field++) {
        for (enum change change = CHANGE_DROP; change < CHANGE_NOTHING; change++) {
            enum behalf_code code = expected(field, change);
            if (code != BEHALF_CODE_COUNT) {
                assert_change(type, list, field, change, code);
            }
            if (field->kind == 'l' && list == NULL && change == CHANGE_DROP) {
                assert_changes(type, field, field->record);
            }
        }
    }
}

static void every_field_of_every_message_is_checked_and_named(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        assert_changes(type, NULL, behalf_type_fields(type));
    }
}

// ---- what is mended ----

static void only_posts_and_what_becomes_of_them_are_mended(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        for (const struct behalf_field *field = behalf_type_fields(type); field->name != NULL; field++) {
            bool of_post = type == BEHALF_POST || type == BEHALF_EDIT || type == BEHALF_DELETE;
            bool names = strcmp(field->name, "channel") == 0 || strcmp(field->name, "brand") == 0;
            assert_int_equal(field->mending != BEHALF_MENDED_NOT, of_post && !names);
            assert_true(field->mending != BEHALF_MENDED_DIGITS || strcmp(field->name, "post") == 0);
            for (const struct behalf_field *inner = field->record; inner != NULL && inner->name != NULL; inner++) {
                assert_int_equal(inner->mending, BEHALF_MENDED_NOT);
            }
        }
    }
}

static const struct behalf_field *field_of_post(const char *name)
{
    const struct behalf_field *field = behalf_type_fields(BEHALF_POST);
    while (strcmp(field->name, name) != 0) {
        field++;
    }
    return field;
}

// A POST whose field `name` is these bytes of msgpack.
static struct behalf_message *post_with(const char *name, const void *value, size_t value_bytes,
                                        struct behalf_fault *fault)
{
    static const char *const required[] = { "channel", "post", "brand" };
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    bool is_post = strcmp(name, "post") == 0;
    msgpack_pack_array(&packer, 3);
    pack_bytes_as_text(&packer, "POST", 4);
    msgpack_pack_int(&packer, 7);
    msgpack_pack_map(&packer, is_post ? 3 : 4);
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(required[i], name) != 0) {
            pack_bytes_as_text(&packer, required[i], strlen(required[i]));
            pack_bytes_as_text(&packer, "x", 1);
        }
    }
    pack_bytes_as_text(&packer, name, strlen(name));
    msgpack_sbuffer_write(&buffer, value, value_bytes);
    struct behalf_message *message = behalf_message_decode(buffer.data, buffer.size, fault);
    msgpack_sbuffer_destroy(&buffer);
    return message;
}

static struct behalf_message *mended_post(const char *name, const void *value, size_t value_bytes, bool told)
{
    struct behalf_fault fault;
    struct behalf_message *message = post_with(name, value, value_bytes, &fault);
    if (message == NULL) {
        fail_msg("%s: %s %s", name, fault.field, fault.reason);
    }
    assert_int_equal(fault.code, BEHALF_CODE_NONE);
    const struct behalf_field *field = field_of_post(name);
    uint64_t bit = told ? UINT64_C(1) << (field - behalf_type_fields(BEHALF_POST)) : 0;
    assert_int_equal(message->mended, bit);
    size_t bytes;
    free(encode(message, &bytes)); // it is one that could have been sent
    return message;
}

#define BYTES(literal) (literal), sizeof(literal) - 1
#define REPLACED "\xef\xbf\xbd"

static void wrong_texts_of_a_post_are_mended(void **state)
{
    (void) state;
    static const struct {
        const char *field, *value;
        size_t value_bytes;
        const char *wanted;
        bool told;
    } cases[] = {
        { "post", BYTES("\xcd\x03\xe9"), "1001", true },
        { "post", BYTES("\xcf\x8a\xf9\xc8\x70\x8a\x4f\x5e\x75"), "10014255632117358197", true },
        { "post", BYTES("\xff"), "-1", true },
        { "post",
          BYTES("\xc4\x03"
                "abc"),
          "abc", true },
        { "author", BYTES("\x2a"), "42", true },
        { "author", BYTES("\xc0"), "", false },
        { "author", BYTES("\x90"), "", true },
        { "author_name", BYTES("\xa4J\xf6rg"), "J" REPLACED "rg", true },
        { "author_name", BYTES("\xc3"), "", true },
        { "text", BYTES("\xa6late\0!"), "late" REPLACED "!", true },
        { "text", BYTES("\xa8late \xed\xa0\xbd"), "late " REPLACED, true },
        { "text", BYTES("\xa6\xed\xa0\xbd\xed\xb8\x80"), "\xf0\x9f\x98\x80", true },
        { "text",
          BYTES("\xa5"
                "caf\xc3\xa9"),
          "caf\xc3\xa9", false },
        { "text", BYTES("\x2a"), "42", true },
        { "text", BYTES("\xc0"), "", false },
        { "language", BYTES("\x01"), "1", true },
        { "language", BYTES("\xa2\xc3("), "", true },
        { "language", BYTES("\xcb\x3f\xf0\0\0\0\0\0\0"), "", true },
        { "link", BYTES("\xa2h\xff"), "", true },
        { "link", BYTES("\x80"), "", true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct behalf_message *post = mended_post(cases[i].field, cases[i].value, cases[i].value_bytes, cases[i].told);
        assert_string_equal(text_at((const char *) &post->post, field_of_post(cases[i].field)->offset),
                            cases[i].wanted);
        behalf_message_destroy(&post);
    }
}

static void wrong_numbers_of_a_post_are_mended(void **state)
{
    (void) state;
    static const struct {
        const char *field, *value;
        size_t value_bytes;
        int64_t wanted;
        bool told;
    } cases[] = {
        { "reach", BYTES("\xa3N/A"), 0, true },
        { "reach", BYTES("\xc0"), 0, false },
        { "reach", BYTES("\xff"), 0, true },
        { "reach", BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), 0, true },
        { "reach", BYTES("\xcb\x40\x93\x4a\0\0\0\0\0"), 1234, true }, // 1234.5
        { "reach", BYTES("\xca\x44\x9a\x40\0"), 1234, true },         // 1234.0
        { "reach", BYTES("\xcb\x7f\xf8\0\0\0\0\0\0"), 0, true },      // no number
        { "reach", BYTES("\xcb\xff\xf0\0\0\0\0\0\0"), 0, true },      // minus infinity
        { "reach", BYTES("\xcb\x43\xf0\0\0\0\0\0\0"), 0, true },      // 2 to the 64th
        { "reach", BYTES("\xcd\x03\xe9"), 1001, false },
        { "media", BYTES("\xcd\x03\xe9"), 1000, true },
        { "media", BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), 1000, true },
        { "media", BYTES("\xff"), 0, true },
        { "media", BYTES("\xc3"), 0, true },
        { "posted_ms",
          BYTES("\xb4"
                "2026-11-26T20:00:00Z"),
          0, true },
        { "posted_ms", BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), 0, true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct behalf_message *post = mended_post(cases[i].field, cases[i].value, cases[i].value_bytes, cases[i].told);
        int64_t number;
        memcpy(&number, (const char *) &post->post + field_of_post(cases[i].field)->offset, sizeof(number));
        assert_int_equal(number, cases[i].wanted);
        behalf_message_destroy(&post);
    }
}

// A text of `bytes` times `letter`, as msgpack.
static uint8_t *long_text(char letter, size_t bytes)
{
    uint8_t *value = malloc(5 + bytes);
    assert_non_null(value);
    value[0] = 0xdb;
    for (size_t i = 0; i < 4; i++) {
        value[1 + i] = (uint8_t) (bytes >> (24 - 8 * i));
    }
    memset(value + 5, letter, bytes);
    return value;
}

static void what_is_too_long_is_cut_shortened_or_left_out(void **state)
{
    (void) state;
    static const struct {
        const char *field;
        size_t left; // bytes
        bool ellipsis;
    } cases[] = { { "text", BEHALF_POST_BYTES, true },
                  { "author_name", 256, true },
                  { "author", BEHALF_KEY_BYTES, false },
                  { "thread", BEHALF_KEY_BYTES, false },
                  { "parent", BEHALF_KEY_BYTES, false },
                  { "link", 0, false },
                  { "language", 0, false } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t limit = (size_t) field_of_post(cases[i].field)->maximum;
        const size_t lengths[] = { limit + 1, 2 * limit + 9, BEHALF_FRAME_BYTES - 100 };
        for (size_t n = 0; n < 6; n++) {
            size_t bytes = lengths[n / 2];
            uint8_t *value = long_text(n % 2 == 0 ? 'x' : '\xff', bytes); // nothing of it is UTF-8
            struct behalf_message *post = mended_post(cases[i].field, value, 5 + bytes, true);
            const char *text = text_at((const char *) &post->post, field_of_post(cases[i].field)->offset);
            assert_true(strlen(text) <= cases[i].left && strlen(text) + 6 > cases[i].left);
            assert_int_equal(strstr(text, "\xe2\x80\xa6") != NULL, cases[i].ellipsis);
            behalf_message_destroy(&post);
            free(value);
        }
    }
}

// Two people must not become one, nor one two.
static void keys_that_are_mended_stay_different(void **state)
{
    (void) state;
    static const char *const keys[] = { "\xa4Jo\xe9s", "\xa4Jo\xe8s" };
    char mended[3][BEHALF_KEY_BYTES + 1];
    for (size_t i = 0; i < 3; i++) {
        struct behalf_message *post = mended_post("author", keys[i % 2], 5, true);
        snprintf(mended[i], sizeof(mended[i]), "%s", post->post.author);
        behalf_message_destroy(&post);
    }
    assert_string_not_equal(mended[0], mended[1]);
    assert_string_equal(mended[0], mended[2]);
    assert_int_equal(strncmp(mended[0], "Jo" REPLACED "s~", 7), 0);
}

static void what_names_a_post_or_is_no_text_at_all_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *field, *value;
        size_t value_bytes;
    } cases[] = {
        { "post", BYTES("\xa2\xc3(") },
        { "post", BYTES("\xa3"
                        "a\0b") },
        { "post", BYTES("\xcb\x3f\xf0\0\0\0\0\0\0") }, // rounded, perhaps
        { "post", BYTES("\xc0") },
        { "post", BYTES("\xa0") },
        { "post", BYTES("\x90") },
        { "text", BYTES("\xc3") },
        { "text", BYTES("\x91\xa1x") },
        { "text", BYTES("\xcb\x3f\xf0\0\0\0\0\0\0") },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct behalf_fault fault;
        assert_null(post_with(cases[i].field, cases[i].value, cases[i].value_bytes, &fault));
        assert_int_equal(fault.code, BEHALF_CODE_INVALID);
        assert_int_equal(fault.id, 7);
        assert_string_equal(fault.field, cases[i].field);
    }
}

static void reason_of_a_number_out_of_range_tells_the_limits(void **state)
{
    (void) state;
    struct behalf_message hello = { .type = BEHALF_HELLO,
                                    .hello = { .version = 65536, .role = "person", .name = "asha" } };
    size_t bytes;
    struct behalf_fault fault;
    assert_null(behalf_message_encode(&hello, &bytes, &fault));
    assert_int_equal(fault.code, BEHALF_CODE_INVALID);
    assert_string_equal(fault.field, "version");
    assert_string_equal(fault.reason, "is 65536; from 1 to 65535 are allowed");
}

static void sender_is_told_of_an_empty_required_text(void **state)
{
    (void) state;
    struct behalf_message note = { .type = BEHALF_NOTE, .note = { .item = 1, .lease = 1, .text = "" } };
    size_t bytes;
    struct behalf_fault fault;
    assert_null(behalf_message_encode(&note, &bytes, &fault));
    assert_int_equal(fault.code, BEHALF_CODE_MISSING);
    assert_string_equal(fault.field, "text");
    note.type = BEHALF_NONE;
    assert_null(behalf_message_encode(&note, &bytes, &fault));
    assert_int_equal(fault.code, BEHALF_CODE_UNKNOWN_TYPE);
}

static void keys_that_are_not_known_are_ignored_whatever_they_hold(void **state)
{
    (void) state;
    static const char frame[] = "\x93\xa4TAKE\x05\x86"
                                "\xa5lease\x03"
                                "\xa6"
                                "future\x82\xa1x\x93\x01\xc0\xcb\x3f\xf0\0\0\0\0\0\0\xa1y\xc4\x02\xff\xff"
                                "\x07\xa5seven"
                                "\xc0\xc0"
                                "\xa4time\xd6\xff\0\0\0\0"
                                "\xa4item\x09";
    struct behalf_message *take = decode((const uint8_t *) frame, sizeof(frame) - 1);
    assert_int_equal(take->type, BEHALF_TAKE);
    assert_int_equal(take->id, 5);
    assert_int_equal(take->take.item, 9);
    assert_int_equal(take->take.lease, 3);
    behalf_message_destroy(&take);
}

static void names_of_types_and_codes_go_both_ways(void **state)
{
    (void) state;
    for (EACH_TYPE(type)) {
        assert_int_equal(behalf_type_from_name(behalf_type_name(type)), type);
        assert_int_not_equal(behalf_type_senders(type), 0);
        assert_int_not_equal(behalf_type_doc(type)[0], '\0');
    }
    for (enum behalf_code code = BEHALF_CODE_NONE + 1; code < BEHALF_CODE_COUNT; code++) {
        assert_int_equal(behalf_code_from_name(behalf_code_name(code)), code);
    }
    assert_int_equal(behalf_type_from_name("NONE"), BEHALF_NONE);
    assert_int_equal(behalf_type_from_name("hello"), BEHALF_NONE);
    assert_int_equal(behalf_code_from_name("NONE"), BEHALF_CODE_NONE);
    assert_string_equal(behalf_type_name((enum behalf_type) 4711), "NONE");
    assert_null(behalf_type_fields((enum behalf_type) 4711)->name);
}

int main(int argument_count, char **arguments)
{
    if (argument_count == 3 && strcmp(arguments[1], "--write") == 0) {
        FILE *file = fopen(arguments[2], "w");
        if (file == NULL) {
            return 1;
        }
        write_golden(file);
        return fclose(file) == 0 ? 0 : 1;
    }
    golden_path = argument_count > 1 ? arguments[1] : "golden_messages.txt";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_goes_round_with_every_field_at_its_upper_limit),
        cmocka_unit_test(every_message_goes_round_with_every_number_at_its_lower_limit),
        cmocka_unit_test(every_message_goes_round_with_only_required_fields),
        cmocka_unit_test(absent_texts_are_empty_and_never_null),
        cmocka_unit_test(lists_go_round_with_as_many_records_as_are_allowed),
        cmocka_unit_test(frame_that_would_be_too_long_is_not_made),
        cmocka_unit_test(frame_takes_no_more_memory_than_its_bytes),
        cmocka_unit_test(golden_bytes_are_what_is_sent_and_understood),
        cmocka_unit_test(frame_cut_at_any_byte_is_malformed),
        cmocka_unit_test(frame_with_bytes_behind_it_is_malformed),
        cmocka_unit_test(frame_longer_than_allowed_is_malformed),
        cmocka_unit_test(header_that_claims_more_than_there_is_allocates_nothing),
        cmocka_unit_test(frame_nested_too_deep_is_malformed),
        cmocka_unit_test(frame_of_too_many_values_is_malformed),
        cmocka_unit_test(frame_of_another_shape_is_malformed),
        cmocka_unit_test(ids_in_every_width_are_understood),
        cmocka_unit_test(type_that_does_not_exist_is_named_with_the_id),
        cmocka_unit_test(malformed_frame_tells_its_id_as_far_as_it_was_read),
        cmocka_unit_test(every_field_of_every_message_is_checked_and_named),
        cmocka_unit_test(only_posts_and_what_becomes_of_them_are_mended),
        cmocka_unit_test(wrong_texts_of_a_post_are_mended),
        cmocka_unit_test(wrong_numbers_of_a_post_are_mended),
        cmocka_unit_test(what_is_too_long_is_cut_shortened_or_left_out),
        cmocka_unit_test(keys_that_are_mended_stay_different),
        cmocka_unit_test(what_names_a_post_or_is_no_text_at_all_is_refused),
        cmocka_unit_test(reason_of_a_number_out_of_range_tells_the_limits),
        cmocka_unit_test(sender_is_told_of_an_empty_required_text),
        cmocka_unit_test(keys_that_are_not_known_are_ignored_whatever_they_hold),
        cmocka_unit_test(names_of_types_and_codes_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
