// frame_walk.c - the walk itself: one loop over the values of a frame, no recursion.

#include "proto/frame_walk.h"

#include "proto/base/must.h"

#include <behalf/message.h>

enum kind { KIND_OTHER, KIND_INTEGER, KIND_TEXT, KIND_ARRAY, KIND_MAP };

// The beginning of one msgpack value.
struct head {
    enum kind kind;
    size_t bytes;       // of the value without its children: type byte, length or number, and payload
    size_t children;    // values that follow inside it; a pair of a map is two
    bool representable; // KIND_INTEGER: it is a non-negative int64_t
    int64_t integer;    // valid only then
};

static uint64_t frame_walk_big_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

// The shapes of the type bytes 0xc0 to 0xdf: how many bytes of a number follow, and what it means.
static const struct shape {
    enum {
        SHAPE_NEVER,
        SHAPE_PLAIN,
        SHAPE_UNSIGNED,
        SHAPE_SIGNED,
        SHAPE_PAYLOAD,
        SHAPE_TEXT,
        SHAPE_ARRAY,
        SHAPE_MAP
    } kind;
    uint8_t number_bytes; // of the number after the type byte
    uint8_t more_bytes;   // further ones: an extension's type, and the payload of one of fixed size
} frame_walk_shapes[32] = {
    [0x00] = { SHAPE_PLAIN, 0, 0 },    // c0 nil
    [0x01] = { SHAPE_NEVER, 0, 0 },    // c1
    [0x02] = { SHAPE_PLAIN, 0, 0 },    // c2 false
    [0x03] = { SHAPE_PLAIN, 0, 0 },    // c3 true
    [0x04] = { SHAPE_PAYLOAD, 1, 0 },  // c4 bin 8
    [0x05] = { SHAPE_PAYLOAD, 2, 0 },  // c5 bin 16
    [0x06] = { SHAPE_PAYLOAD, 4, 0 },  // c6 bin 32
    [0x07] = { SHAPE_PAYLOAD, 1, 1 },  // c7 ext 8
    [0x08] = { SHAPE_PAYLOAD, 2, 1 },  // c8 ext 16
    [0x09] = { SHAPE_PAYLOAD, 4, 1 },  // c9 ext 32
    [0x0a] = { SHAPE_PLAIN, 4, 0 },    // ca float 32
    [0x0b] = { SHAPE_PLAIN, 8, 0 },    // cb float 64
    [0x0c] = { SHAPE_UNSIGNED, 1, 0 }, // cc
    [0x0d] = { SHAPE_UNSIGNED, 2, 0 }, // cd
    [0x0e] = { SHAPE_UNSIGNED, 4, 0 }, // ce
    [0x0f] = { SHAPE_UNSIGNED, 8, 0 }, // cf
    [0x10] = { SHAPE_SIGNED, 1, 0 },   // d0
    [0x11] = { SHAPE_SIGNED, 2, 0 },   // d1
    [0x12] = { SHAPE_SIGNED, 4, 0 },   // d2
    [0x13] = { SHAPE_SIGNED, 8, 0 },   // d3
    [0x14] = { SHAPE_PLAIN, 0, 2 },    // d4 fixext 1
    [0x15] = { SHAPE_PLAIN, 0, 3 },    // d5 fixext 2
    [0x16] = { SHAPE_PLAIN, 0, 5 },    // d6 fixext 4
    [0x17] = { SHAPE_PLAIN, 0, 9 },    // d7 fixext 8
    [0x18] = { SHAPE_PLAIN, 0, 17 },   // d8 fixext 16
    [0x19] = { SHAPE_TEXT, 1, 0 },     // d9 str 8
    [0x1a] = { SHAPE_TEXT, 2, 0 },     // da str 16
    [0x1b] = { SHAPE_TEXT, 4, 0 },     // db str 32
    [0x1c] = { SHAPE_ARRAY, 2, 0 },    // dc array 16
    [0x1d] = { SHAPE_ARRAY, 4, 0 },    // dd array 32
    [0x1e] = { SHAPE_MAP, 2, 0 },      // de map 16
    [0x1f] = { SHAPE_MAP, 4, 0 },      // df map 32
};

// Sets what a number after the type byte means for a value of this shape.
static void frame_walk_apply_number(struct head *head, const struct shape *shape, uint64_t number)
{
    if (shape->kind == SHAPE_UNSIGNED || shape->kind == SHAPE_SIGNED) {
        must(shape->number_bytes > 0);
        unsigned bits = 8u * shape->number_bytes;
        bool negative = shape->kind == SHAPE_SIGNED && (number >> (bits - 1) & 1) != 0;
        head->kind = KIND_INTEGER;
        head->representable = !negative && number <= INT64_MAX;
        head->integer = head->representable ? (int64_t) number : 0;
    } else if (shape->kind == SHAPE_PAYLOAD || shape->kind == SHAPE_TEXT) {
        head->kind = shape->kind == SHAPE_TEXT ? KIND_TEXT : KIND_OTHER;
        head->bytes += (size_t) number;
    } else if (shape->kind == SHAPE_ARRAY || shape->kind == SHAPE_MAP) {
        head->kind = shape->kind == SHAPE_ARRAY ? KIND_ARRAY : KIND_MAP;
        head->children = (size_t) number * (shape->kind == SHAPE_MAP ? 2 : 1);
    }
}

// The values whose type and number share the first byte.
static bool frame_walk_read_short_head(uint8_t first, struct head *head)
{
    *head = (struct head){ .kind = KIND_OTHER, .bytes = 1 };
    if (first <= 0x7f) {
        *head = (struct head){ .kind = KIND_INTEGER, .bytes = 1, .representable = true, .integer = first };
    } else if (first <= 0x8f) {
        *head = (struct head){ .kind = KIND_MAP, .bytes = 1, .children = 2 * (size_t) (first & 0x0f) };
    } else if (first <= 0x9f) {
        *head = (struct head){ .kind = KIND_ARRAY, .bytes = 1, .children = first & 0x0f };
    } else if (first <= 0xbf) {
        *head = (struct head){ .kind = KIND_TEXT, .bytes = 1 + (size_t) (first & 0x1f) };
    } else if (first >= 0xe0) {
        head->kind = KIND_INTEGER;
    } else {
        return false;
    }
    return true;
}

// Reads the head at `at`.  Returns NULL, or what is wrong.
static const char *frame_walk_read_head(const uint8_t *at, size_t left, struct head *head)
{
    if (left == 0) {
        return "the frame ends inside a value";
    }
    if (!frame_walk_read_short_head(at[0], head)) {
        const struct shape *shape = &frame_walk_shapes[at[0] - 0xc0];
        if (shape->kind == SHAPE_NEVER) {
            return "the frame holds the byte c1, which msgpack never uses";
        }
        if (left < 1 + (size_t) shape->number_bytes) {
            return "the frame ends inside a value";
        }
        head->bytes = 1 + (size_t) shape->number_bytes + shape->more_bytes;
        frame_walk_apply_number(head, shape, frame_walk_big_endian(at + 1, shape->number_bytes));
    }
    if (head->bytes > left) {
        return "a value claims to be longer than the frame";
    }
    return NULL;
}

// Checks that the first values are those of [type, id, body], and keeps the id.
static const char *frame_walk_check_place(size_t index, const struct head *head, struct frame_walk *walk)
{
    if (index == 0 && (head->kind != KIND_ARRAY || head->children != 3)) {
        return "the frame is not an array of three: [type, id, body]";
    }
    if (index == 1 && head->kind != KIND_TEXT) {
        return "the type is not a text";
    }
    if (index == 2 && (head->kind != KIND_INTEGER || !head->representable)) {
        return "the id is not an integer from 0 to 9223372036854775807";
    }
    if (index == 2) {
        walk->id = head->integer;
    }
    if (index == 3 && head->kind != KIND_MAP) {
        return "the body is not a map";
    }
    return NULL;
}

static const char *frame_walk_walk_values(const uint8_t *at, size_t left, struct frame_walk *walk)
{
    size_t level_left[FRAME_DEPTH_MAX] = { 0 }; // values still to come at each open level
    size_t depth = 0;
    size_t owed = 1; // values promised and not read, over all levels
    for (size_t index = 0; owed > 0; index++) {
        struct head head;
        const char *fault = frame_walk_read_head(at, left, &head);
        if (fault == NULL) {
            fault = frame_walk_check_place(index, &head, walk);
        }
        if (fault != NULL) {
            return fault;
        }
        at += head.bytes;
        left -= head.bytes;
        owed = owed - 1 + head.children;
        if (owed > left) {
            return "an array or map claims more elements than the frame has bytes";
        }
        if (index + owed >= FRAME_VALUES_MAX) {
            return "the frame holds more values than are allowed";
        }
        if (depth > 0) {
            level_left[depth - 1]--;
        }
        if (head.kind == KIND_ARRAY || head.kind == KIND_MAP) {
            if (depth == FRAME_DEPTH_MAX) {
                return "arrays and maps are nested too deep";
            }
            level_left[depth++] = head.children;
        }
        while (depth > 0 && level_left[depth - 1] == 0) {
            depth--;
        }
    }
    return left == 0 ? NULL : "bytes follow the end of the message";
}

bool frame_walk(const void *frame, size_t frame_bytes, struct frame_walk *walk)
{
    *walk = (struct frame_walk){ 0 };
    if (frame_bytes == 0) {
        walk->fault = "the frame is empty";
    } else if (frame_bytes > BEHALF_FRAME_BYTES) {
        walk->fault = "the frame is longer than 1048576 bytes";
    } else {
        walk->fault = frame_walk_walk_values(frame, frame_bytes, walk);
    }
    return walk->fault == NULL;
}
