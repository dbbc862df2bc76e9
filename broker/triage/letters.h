// letters.h - what single characters are, and which of them are one letter to a reader.
//
// Facts come from Unicode as ICU has it (classes, decompositions, names, the confusables of UTS #39) and are
// kept in tables for the characters that posts are made of; what no library tells, such as the Arabic letters
// that are written for one another, is a short list here.  What the facts are used for is readings.c's.

#ifndef TRIAGE_LETTERS_H
#define TRIAGE_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

// Bits of letters_class.
#define LETTER_WORD 0x1u // letter, mark or number: belongs to a word
#define LETTER_ALPHABETIC 0x2u
#define LETTER_UPPER 0x4u
#define LETTER_DIGIT 0x8u    // decimal
#define LETTER_MARK 0x10u    // stands on the letter before it
#define LETTER_LOOSE 0x20u   // a mark that people leave out: accents, vowel points, nukta
#define LETTER_RUNS_ON 0x40u // of a script whose words are not parted by blanks
#define LETTER_EMOJI 0x80u
#define LETTER_CURRENCY 0x100u
#define LETTER_LATIN 0x200u // a to z and other Latin letters
#define LETTER_HIRAGANA 0x400u
#define LETTER_KATAKANA 0x800u
#define LETTER_HAN 0x1000u
#define LETTER_BLANK 0x2000u
#define LETTER_HIDDEN 0x4000u // nobody sees it: controls, and what Unicode calls default-ignorable

// Builds the tables, once for all threads, which takes some 20 ms.  Comes before all others; plain_text_decode calls
// it.
void letters_prepare(void);

unsigned letters_class(uint32_t code);

// The classes of ASCII, for whoever looks at every letter of a text.
const uint16_t *letters_ascii_classes(void);

// The small letter of a capital, else the character itself.
uint32_t letters_lower(uint32_t code);

// The plain letter of a styled one that NFKC leaves alone: small capitals, letters in black squares and circles.
uint32_t letters_unstyled(uint32_t code);

// The letter of a small letter without its accent or mark; `code` itself where it has none, and where that is no
// letter of its own to those who write it (Cyrillic й, kana with their voicing).
uint32_t letters_base(uint32_t code);

// The two letters that stand for one where it cannot be typed, ae for ä; NULL where there are none.
const char *letters_digraph(uint32_t code);

// The letter a to z that looks like a small letter of another alphabet (UTS #39), or 0.
char letters_lookalike(uint32_t code);

// The letter a to z that this one is upside down, or 0.  Only letters that are nothing else; see also
// letters_turned_too.
char letters_turned(uint32_t code);

// The same of letters a to z, which are letters of their own as well: n for u, b for q.
char letters_turned_too(uint32_t code);

// The letters a to z that a digit or sign stands for inside of words, as a text, "il" for 1; NULL for others.
const char *letters_of_sign(uint32_t code);

// Hiragana of katakana, else the character itself.
uint32_t letters_hiragana(uint32_t code);

#endif
