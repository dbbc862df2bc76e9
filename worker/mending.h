// mending.h - makes of what a platform or an exporter gives what a post can carry, and notes what was done.
//
// A post that a customer wrote is not turned away for a detail: a link that is too long is left out, a text cut, a
// reach that is no number passed over.  Only what cannot be a post is refused, by the broker or whoever asks here.
// The broker mends what strangers' connectors send, as the table of messages says field by field; programs of ours do
// the same before they encode a message, by the same table, and with what a frame no longer shows: which line of which
// file it was, how a count is written there, in what encoding the file was read.

#ifndef WORKER_MENDING_H
#define WORKER_MENDING_H

#include <behalf/message.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MENDING_NOTES_BYTES 256

enum mending_kind {
    MENDING_LEFT_OUT,
    MENDING_CUT,        // at its end
    MENDING_SHORTENED,  // a key: its beginning and a hash of the whole
    MENDING_CHARACTERS, // broken characters became U+FFFD
    MENDING_READING     // it was UTF-8 that somebody had read as Latin-1
};

struct mending;

struct mending *mending_new(void);
void mending_destroy(struct mending **mending_p);

// Begins with the next post; texts made for the former one are gone.
void mending_begin(struct mending *mending);

// `text` (UTF-8 without NUL) for a text field of POST, EDIT or DELETE: itself, or a mended one that lives until
// mending_begin, or NULL when the field is left out.  False when it is too long and the post cannot be without it.
bool mending_text(struct mending *mending, const struct behalf_field *field, const char *text, const char **mended);

// Reads a count as people write it: 1200, 12.0, 12,345, 1.2K, 3M.  False, and noted as left out, when it is none, is
// outside the field's limits (unless the field then has the nearest that is allowed), or could be two numbers (12.345).
bool mending_count(struct mending *mending, const struct behalf_field *field, const char *text, int64_t *number);

// Notes something that was done elsewhere to the post.
void mending_note(struct mending *mending, const char *field, enum mending_kind kind);

// What was done to this post, "link left out, text cut", or "".
const char *mending_notes(const struct mending *mending);

// Counts the post among those mended, if it was.
void mending_end(struct mending *mending);

// Posts counted so far, and what was done to them: "link left out 2, text cut 1".
uint64_t mending_posts(const struct mending *mending);
void mending_describe(const struct mending *mending, char *text, size_t text_bytes);

#endif
