// mended_text.h - texts as other programs left them, made into texts that a post can carry.
//
// What an exporter breaks: bytes that are no UTF-8, halves of an emoji, NULs, UTF-8 that was read as Latin-1 and
// written out again, and texts longer than anybody planned for.  Which field gets which treatment is mending's.

#ifndef WORKER_MENDED_TEXT_H
#define WORKER_MENDED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What an input has been so far, to tell one that is UTF-8 with a few broken places from one that never was.
struct encoding_tally {
    uint64_t sound;  // characters beyond ASCII, also those that only lack their end
    uint64_t broken; // bytes that are part of none
};

// Counts what is in `text`.  Whatever precedes it is thought to end with a character.
void encoding_tally_add(struct encoding_tally *tally, const char *text, size_t bytes);

// Whether broken bytes are few: at most one, or no more than there are sound characters.
bool encoding_tally_is_utf8(const struct encoding_tally *tally);

// The text as UTF-8 without NUL: U+FFFD for each broken piece and each NUL; a pair of surrogates that were encoded
// one by one (CESU-8) becomes the character it stands for.  Returns NULL when there is nothing to mend, else memory
// of the caller's, ended by a NUL that `mended_bytes` does not count.
char *mended_characters(const char *text, size_t bytes, size_t *mended_bytes);

// A text in UTF-8 that was read as Latin-1 or Windows-1252, once or up to three times ("Ã¶"), as it was before.
// NULL when it does not look so beyond doubt; else memory of the caller's.  All that is beyond ASCII must have come
// from UTF-8, and at least one place be such as nobody writes.
char *mended_reading(const char *text);

// How much of `text` fits into `bytes_max`, cut between what a reader takes for characters.
size_t text_bytes_that_fit(const char *text, size_t bytes_max);

// A key that is longer than `bytes_max`: its beginning, "~" and 32 hexadecimal digits of its BLAKE2b, so that the
// same long key is the same short one.  Memory of the caller's.
char *shortened_key(const char *key, size_t bytes_max);

#endif
