// mended_text.h - texts as other programs left them, made into texts that a message can carry.
//
// What others break: bytes that are no UTF-8, halves of an emoji, NULs, and texts longer than anybody planned for.
// Which field gets which treatment stands in messages.def.

#ifndef PROTO_MENDED_TEXT_H
#define PROTO_MENDED_TEXT_H

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

// Whether a text is UTF-8 without NUL.
bool text_is_sound(const char *text, size_t bytes);

// The text as UTF-8 without NUL: U+FFFD for each broken piece and each NUL; a pair of surrogates that were encoded
// one by one (CESU-8) becomes the character it stands for.  Returns NULL when there is nothing to mend, else memory
// of the caller's, ended by a NUL that `mended_bytes` does not count.
char *mended_characters(const char *text, size_t bytes, size_t *mended_bytes);

// How much of `text` fits into `bytes_max`, cut between what a reader takes for characters.
size_t text_bytes_that_fit(const char *text, size_t bytes_max);

// A text that is longer than `bytes_max` loses its end, in its own memory, and has an ellipsis there instead.
void text_cut(char *text, size_t bytes_max);

// What a message carries, in at most `bytes_max`, of a text of any bytes: its characters mended, its end cut.  Costs no
// more than `bytes_max` asks for, whatever comes.  Memory of the caller's.
char *mended_words(const char *text, size_t bytes, size_t bytes_max);

// For a key that is too long or broken: its beginning, "~" and 32 hexadecimal digits of its BLAKE2b, in at most
// `bytes_max`, so that the same key is always the same short one, and another key another.  Memory of the caller's.
char *shortened_key(const char *key, size_t bytes, size_t bytes_max);

#endif
