// codec.h - changes as bytes, and bytes as changes: what a journal keeps.
//
// A change is one array of msgpack: the number of its kind, then its record's columns in the order of tables.def.  A
// text carries its closing NUL with it, so that one decoded lies where the bytes lie.  Changes stand one behind the
// other, with nothing between.
//
// Each column and each kind that is added raises the number of the codec.  As they come last, bytes of an older codec
// are read too: what they do not have yet is "", 0, false or NULL.  Bytes of a newer one are another broker's to read.

#ifndef STORE_CODEC_H
#define STORE_CODEC_H

#include "broker/desk/change.h"

// Raised by hand when a column gets another meaning or is taken out, so that no number ever means two things.
#define CODEC_REVISION 1

#define COLUMN(field, KIND, AGAIN, meaning) +1
#define RECORD(NAME, name) COLUMNS_OF_##NAME(COLUMN, COLUMN)
#define KIND(NAME, RECORD, record, meaning) +1
enum { CODEC_NUMBER = CODEC_REVISION RECORDS(RECORD) CHANGE_KINDS(KIND) };
#undef COLUMN
#undef RECORD
#undef KIND

// Bytes being written.  Zeroed, it is empty.
struct codec_bytes {
    unsigned char *bytes;
    size_t count;
    size_t room;
};

// Adds a change.  Asserts: its states are ones there are.
void codec_add(struct codec_bytes *bytes, const struct change *change);

// Nothing any more; keeps the memory.
void codec_clear(struct codec_bytes *bytes);
void codec_fini(struct codec_bytes *bytes);

// Bytes being read, which are borrowed.  Nothing is allocated for what they claim, and nothing behind their end is
// looked at.
struct codec_reader {
    const unsigned char *at;
    size_t left;
    bool is_older;     // of a codec that had fewer columns
    const char *fault; // what is wrong with the bytes, in words; NULL: nothing so far
};

// Begins to read.  Bytes of a codec that is not known, newer or none, are at fault.
struct codec_reader codec_read(int64_t codec, const void *bytes, size_t count);

// The next change, its texts borrowed from the bytes.  False at the end and when the bytes are at fault.
bool codec_next(struct codec_reader *reader, struct change *change);

#endif
