// hostile_texts.h - posts as long as may be, each the dearest for some step of triage.
//
// The bench measures them and a unit test holds their bound; a new step of triage adds its own.

#ifndef BENCH_HOSTILE_TEXTS_H
#define BENCH_HOSTILE_TEXTS_H

#include <stddef.h>

#define HOSTILE_TEXT_BYTES 32768 // BEHALF_POST_BYTES

size_t hostile_text_count(void);

// What the text is made of, for people.
const char *hostile_text_name(size_t index);

// Fills `text` with at most HOSTILE_TEXT_BYTES bytes and a NUL.
void hostile_text_write(size_t index, char text[HOSTILE_TEXT_BYTES + 1]);

#endif
