// plain_text.h - a post's text, made plain for those who look into it.
//
// A post arrives as people (and people who want to get past a filter) write it.  Two readers want it
// plain in different ways: the language detection wants only words of a language, the patterns want every
// way of writing the same letters to be one (readings.h).  Neither text is ever shown to anybody or kept.
//
// Nothing here fails: the input is cut at PLAIN_TEXT_INPUT_BYTES, bytes that are not UTF-8 become
// U+FFFD, and time and memory grow with the length of the input and nothing else.

#ifndef TRIAGE_PLAIN_TEXT_H
#define TRIAGE_PLAIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The longest post (BEHALF_POST_BYTES); what comes after it is not looked at.
#define PLAIN_TEXT_INPUT_BYTES 32768

// The longest result.  Characters grow fourfold at most, but for some signs of which a text is given few.
#define PLAIN_TEXT_OUTPUT_BYTES (4 * PLAIN_TEXT_INPUT_BYTES)

// A text and the memory it lives in, which is used again from post to post.  All zero is an empty one.
struct plain_text {
    char *text;      // valid UTF-8, ends with NUL and has none inside; NULL before the first use
    size_t bytes;    // length of `text` without its NUL
    size_t capacity; // bytes allocated for `text`
};

// Gives the memory back; afterwards `self` is an empty one.
void plain_text_fini(struct plain_text *self);

// Fills `self` with what is left of `text` for telling its language: no links, e-mail addresses, mentions,
// hashtags, retweet markers, markup entities, emoticons, emoji, digits or control characters.  Letters keep
// their case, punctuation between words stays, runs of white space are one blank.
void plain_text_for_language(struct plain_text *self, const char *text, size_t text_bytes);

// Makes `self` an empty text.
void plain_text_clear(struct plain_text *self);

// Adds a character.
void plain_text_append(struct plain_text *self, uint32_t code);

// Adds characters, which are whole.
void plain_text_append_bytes(struct plain_text *self, const char *text, size_t bytes);

// Fills `self` with what a reader sees of `text`: entities decoded, NFKC (full-width letters, ligatures and
// mathematical letters become plain ones), default-ignorable and control characters gone, runs of white space one
// blank, none at the ends.  With `keep`, U+200B stands for each invisible character at which a word may end, and the
// overrides of direction U+202E and U+202C stay.
void plain_text_decode(struct plain_text *self, const char *text, size_t text_bytes, bool keep);

// Reads one character at `text` (`bytes` left, at least 1) into `code`, U+FFFD if it is not valid UTF-8.
// Returns how many bytes it took, at least 1.
size_t plain_text_character(const char *text, size_t bytes, uint32_t *code);

// Reads the character of `text` that ends at the offset, which is not 0.  Returns where it begins.
size_t plain_text_character_before(const char *text, size_t bytes, size_t offset, uint32_t *code);

#endif
