// message.h - the messages between a Behalf broker and its clients, as C structs.
//
// One frame is one message: a msgpack array [type, id, body] (proto/PROTOCOL.md).  The structs here are
// made from messages.def, as is what encodes and decodes them (proto/message*.c).  Nothing here does I/O,
// and nothing from a frame is allocated before its bytes have been walked with bounds.

#ifndef BEHALF_MESSAGE_H
#define BEHALF_MESSAGE_H

#include <behalf/limits.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BEHALF_PROTOCOL_VERSION 1

// Who may send a message.
#define BEHALF_BY_PERSON 1u
#define BEHALF_BY_CONNECTOR 2u
#define BEHALF_BY_CONTROL 4u
#define BEHALF_BY_BROKER 8u
#define BEHALF_BY_ANYONE (BEHALF_BY_PERSON | BEHALF_BY_CONNECTOR | BEHALF_BY_CONTROL)

// Structs of the records that appear in lists: struct behalf_entry, struct behalf_queue_count, ...
// A LIST becomes a pointer and a count, `field` and `field_count`; so does TEXTS.
#define RECORD(name, doc) struct behalf_##name {
// clang-format off
#define END_RECORD(name) };
// clang-format on
#define TEXT(field, bytes_max, presence, doc) const char *field;
#define NUMBER(field, minimum, maximum, presence, doc) int64_t field;
#define FLAG(field, presence, doc) bool field;
#define TEXTS(field, count_max, bytes_max, presence, doc)                                                              \
    const char **field;                                                                                                \
    size_t field##_count;
#define LIST(field, record, count_max, presence, doc)                                                                  \
    struct behalf_##record *field;                                                                                     \
    size_t field##_count;
#include <behalf/records.def>

// Structs of the messages' bodies: struct behalf_hello, struct behalf_welcome, ...
#define MESSAGE(name, NAME, senders, doc) struct behalf_##name {
#define END_MESSAGE(name)                                                                                              \
    char behalf_end; /* C has no empty struct, and some messages have no fields */                                     \
    }                                                                                                                  \
    ;
#define TEXT(field, bytes_max, presence, doc) const char *field;
#define NUMBER(field, minimum, maximum, presence, doc) int64_t field;
#define FLAG(field, presence, doc) bool field;
#define TEXTS(field, count_max, bytes_max, presence, doc)                                                              \
    const char **field;                                                                                                \
    size_t field##_count;
#define LIST(field, record, count_max, presence, doc)                                                                  \
    struct behalf_##record *field;                                                                                     \
    size_t field##_count;
#include <behalf/messages.def>

// The types: BEHALF_HELLO, BEHALF_WELCOME, ...; 0 is none.
enum behalf_type {
    BEHALF_NONE,
#define MESSAGE(name, NAME, senders, doc) BEHALF_##NAME,
#include <behalf/messages.def>
    BEHALF_TYPE_COUNT
};

// The codes of ERROR: BEHALF_CODE_MALFORMED, ...; 0 is no error.
enum behalf_code {
    BEHALF_CODE_NONE,
#define CODE(NAME, doc) BEHALF_CODE_##NAME,
#include <behalf/codes.def>
#undef CODE
    BEHALF_CODE_COUNT
};

// One message.  To send one, fill a struct with designated initialisers; its texts and lists are borrowed
// for the call that encodes it:
//
//     struct behalf_message take = { .type = BEHALF_TAKE, .id = 7, .take = { .item = 4711, .lease = 3 } };
//
// A decoded message owns its texts and lists through `memory` and is freed by behalf_message_destroy.
// Its texts are never NULL.
struct behalf_message {
    enum behalf_type type;
    int64_t id; // the request this is or answers; 0 for news from the broker
    union {
#define MESSAGE(name, NAME, senders, doc) struct behalf_##name name;
#include <behalf/messages.def>
    };
    uint64_t mended; // of a decoded one: bit i is set when field i of its type's table was mended
    void *memory;
};

// What is wrong with a frame, for the ERROR that answers it.
struct behalf_fault {
    enum behalf_code code; // MALFORMED, UNKNOWN_TYPE, MISSING or INVALID
    int64_t id;            // the frame's id as far as it could be read, else 0
    char field[64];        // the field at fault, or ""
    char reason[160];      // in words
};

// Decodes a frame.  Returns the message, owned by the caller, or NULL with `fault` filled in.
struct behalf_message *behalf_message_decode(const void *frame, size_t frame_bytes, struct behalf_fault *fault);

// Frees a decoded message and sets the caller's pointer to NULL; does nothing if it is NULL.
void behalf_message_destroy(struct behalf_message **message_p);

// Encodes a message.  Returns the frame, owned by the caller and freed with free(), and its length; or
// NULL with `fault` filled in if a field breaks its limits or the frame would exceed BEHALF_FRAME_BYTES.
void *behalf_message_encode(const struct behalf_message *message, size_t *frame_bytes, struct behalf_fault *fault);

// Copies a message with all it points to; the copy is freed by behalf_message_destroy.
struct behalf_message *behalf_message_copy(const struct behalf_message *message);

// The name of a type as it travels, "HELLO"; "NONE" for one that does not exist.
const char *behalf_type_name(enum behalf_type type);

// Who may send a type: bits BEHALF_BY_...
unsigned behalf_type_senders(enum behalf_type type);

// Whether what a client sends as `request` may be answered by `answer`, other than ERROR; and whether ERROR may refuse
// it with `code`.  MALFORMED and UNKNOWN_TYPE refuse frames that are no message a client may send: of no request here.
bool behalf_type_is_answered_by(enum behalf_type request, enum behalf_type answer);
bool behalf_type_may_be_refused(enum behalf_type request, enum behalf_code code);

// The name of a code as it travels, and back; BEHALF_CODE_NONE for a name that does not exist.
const char *behalf_code_name(enum behalf_code code);
enum behalf_code behalf_code_from_name(const char *name);

// What becomes of a value of a field that a message may not have, when its frame is decoded.  An integer in place of a
// text is its digits wherever texts are mended, and bytes (msgpack bin) are the text that they hold; a float in place
// of an integer loses its fraction; nil is an absent field, where absent ones are allowed.  Besides:
enum behalf_mending {
    BEHALF_MENDED_NOT = 0,   // refused, all of it
    BEHALF_MENDED_DIGITS,    // names a post: refused, what is too long or broken too, or two posts might become one
    BEHALF_MENDED_SHORTENED, // a key, too long or broken: its beginning, "~" and a digest of the whole; no text: left
                             // out
    BEHALF_MENDED_WORDS,     // too long: cut, with an ellipsis; broken: U+FFFD in places; no text: refused
    BEHALF_MENDED_CUT,       // as WORDS, but left out if it is no text
    BEHALF_MENDED_LIMITED,   // a number: the nearest that is allowed; left out if it is none
    BEHALF_MENDED_LEFT_OUT   // left out
};

// Visits the fields of a message in the order of the table, for programs that show or convert messages
// without knowing each: kind is 't' text, 'n' number, 'f' flag, 's' texts, 'l' list of records.
// `field_doc` is the table's sentence.  Returns false when `index` is past the last field.
struct behalf_field {
    const char *name;
    char kind;
    bool required;
    size_t offset;                     // of the value in the body; of the pointer for 's' and 'l'
    size_t count_offset;               // 's' and 'l': of the count
    int64_t minimum, maximum;          // number: value; text: bytes; texts, list: count
    enum behalf_mending mending;       // of a wrong value
    size_t element_bytes_max;          // texts: bytes of one at most
    size_t record_bytes;               // list: size of one record's struct
    const struct behalf_field *record; // list: its fields, ended by a NULL name
    const char *field_doc;
};
const struct behalf_field *behalf_type_fields(enum behalf_type type); // ended by a NULL name
const char *behalf_type_doc(enum behalf_type type);
enum behalf_type behalf_type_from_name(const char *name); // BEHALF_NONE if there is none

#ifdef __cplusplus
}
#endif

#endif
