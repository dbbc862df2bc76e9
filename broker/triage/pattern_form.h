// pattern_form.h - one way in which a pattern is written for Vectorscan to find, and how a word or phrase becomes one.
//
// Of a word or phrase Vectorscan is given the longest stretch of plain letters, the anchor; the rest of it lies in
// pieces around that one, and is looked for by pattern_search.c.  A regular expression (pattern_expression.c) is given
// whole and has no pieces.

#ifndef TRIAGE_PATTERN_FORM_H
#define TRIAGE_PATTERN_FORM_H

#include "broker/triage/endings.h"
#include "broker/triage/patterns.h"
#include "broker/triage/plain_text.h"

#define GAP_CHARACTERS_MAX 3   // what a blank of a phrase stands for
#define STAR_CHARACTERS_MAX 30 // what a * inside a word stands for

enum piece_kind {
    PIECE_LETTERS,    // exactly these
    PIECE_GAP,        // up to GAP_CHARACTERS_MAX characters that are no letters, at least one but in a hashtag
    PIECE_STAR,       // up to STAR_CHARACTERS_MAX letters
    PIECE_APOSTROPHE, // one of the signs that people type for it, or none
};

struct piece {
    enum piece_kind kind;
    const char *text; // letters: in the form's folded text
    size_t bytes;
};

struct form {
    uint32_t pattern; // index
    enum pattern_form which;
    char *expression; // for Vectorscan
    unsigned flags;   // HS_FLAG_...
    struct plain_text folded;
    struct piece *pieces;
    size_t piece_count;
    size_t anchor;          // the piece that `expression` finds
    bool open_head;         // began with *: no boundary before it
    bool open_tail;         // ended with *
    bool addresses;         // has a sign of an address in it itself
    bool long_word;         // one word that may stand behind another in a hashtag
    bool begins_word;       // of a script that parts no words; begins where a word begins
    bool ends_word;         // and ends where one ends
    struct endings endings; // of its last word, whose stem is in the last piece
    struct endings first;   // of the first word of a phrase, for what may stand before it
};

// Makes a form of a word or phrase; `which` is set.  Returns false and a sentence when it is none.
bool pattern_make_word(struct form *form, const char *text, size_t text_bytes, const struct pattern_terms *terms,
                       char reason[PATTERN_REASON_BYTES]);

void pattern_form_fini(struct form *form);

// Writes the sentence and returns false, for the caller to return.
bool pattern_refuse(char reason[PATTERN_REASON_BYTES], const char *why);

// Whether it is one of the signs that people type for an apostrophe.
bool pattern_is_apostrophe(uint32_t code);

#endif
