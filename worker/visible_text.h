// visible_text.h - text from outside, made safe to show to a person in a terminal.
//
// What customers write may hold escape sequences that move the cursor, characters that turn the direction
// of writing, and characters that show nothing.  Here each of those becomes visible, so that what a person
// sees is all there is, where it stands:
//
//   C0 controls and DEL             their pictures: ESC is U+241B, a carriage return U+240D
//   C1 controls, bidi controls,     <U+202E>
//   zero-width characters, line and
//   paragraph separators, tags, other
//   ignorable, private and unassigned
//   bytes that are not UTF-8        <0x9B>
//   more marks than 4 on a letter   <+17 marks>; a mark on nothing gets a dotted circle under it
//
// Characters that only join or style, where they do just that, stay: U+200D between two emoji, U+FE0E and
// U+FE0F after an emoji, U+200C and U+200D between letters that a script joins there (Persian, the scripts
// of India), and the tags of the three flags in use (England, Scotland, Wales).  An author may of course
// write "<U+202E>" in plain letters; that is then text like any other, and as harmless.
//
// Letters written from right to left are left to the terminal; without bidi controls they cannot reach
// beyond their line.

#ifndef WORKER_VISIBLE_TEXT_H
#define WORKER_VISIBLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define VISIBLE_LINES 1u // a newline (also CR LF) stays a newline; else it is shown as U+240A
#define VISIBLE_ASCII 2u // for a terminal that is not UTF-8: everything beyond ASCII as <U+00E9>

// Returns the text made visible: valid UTF-8 (or ASCII), freed by the caller with free().
// At most 12 times as long as the text.
char *visible_text(const char *text, size_t text_bytes, unsigned options);

// The same of a text that ends with NUL.
char *visible_string(const char *text, unsigned options);

// Columns that a visible text without newlines takes in a terminal.
size_t visible_width(const char *visible);

// Breaks a visible text into lines of at most `columns` columns (20 at least), each led by `indent`, at
// word boundaries where there are any.  Returns it, each line ended by a newline; freed by the caller.
char *visible_wrap(const char *visible, size_t columns, const char *indent);

// Returns the beginning of a visible text that fits `columns` columns, ended by an ellipsis when it was
// cut; freed by the caller.
char *visible_cut(const char *visible, size_t columns);

// Chooses the locale of the environment, C.UTF-8 when it names none, and returns the options that its
// character set needs: 0 or VISIBLE_ASCII.  For programs, at their start.
unsigned visible_locale(void);

#endif
