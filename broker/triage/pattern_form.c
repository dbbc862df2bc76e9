// pattern_form.c - a word or phrase in pieces: its anchor, its stars and gaps, the endings of its words, where it may
// begin.

#include "broker/triage/pattern_form.h"

#include "broker/triage/letters.h"
#include "broker/triage/readings.h"
#include "proto/base/must.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STARS_MAX 4            // inside the words of one pattern
#define HASHTAG_WORD_LETTERS 5 // a word of this many is found behind another in a hashtag
#define SHORT_KANA 3           // a word of this many hiragana is too often a part of another

bool pattern_is_apostrophe(uint32_t code)
{
    return code == '\'' || code == '`' || code == 0x2018 || code == 0x2019 || code == 0x2032 || code == 0x2BC;
}

static bool pattern_is_gap(char byte)
{
    return byte == ' ' || byte == '-';
}

bool pattern_refuse(char reason[PATTERN_REASON_BYTES], const char *why)
{
    snprintf(reason, PATTERN_REASON_BYTES, "%s", why);
    return false;
}

static size_t pattern_count_letters(const char *text, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != '*' && !pattern_is_gap(text[i]) && ((unsigned char) text[i] & 0xC0) != 0x80) {
            count++;
        }
    }
    return count;
}

static void pattern_add_piece(struct form *form, enum piece_kind kind, const char *text, size_t bytes)
{
    struct piece *last = form->piece_count > 0 ? &form->pieces[form->piece_count - 1] : NULL;
    if (last != NULL && last->kind == kind && kind != PIECE_APOSTROPHE) {
        last->bytes += bytes;
        return;
    }
    form->pieces = realloc(form->pieces, (form->piece_count + 1) * sizeof *form->pieces);
    must(form->pieces != NULL);
    form->pieces[form->piece_count++] = (struct piece){ kind, text, bytes };
}

// Takes a folded word or phrase without its outer stars apart.
static void pattern_add_pieces(struct form *form, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t code = 0;
        size_t length = plain_text_character(text + at, bytes - at, &code);
        bool inside = at > 0 && at + length < bytes;
        if (code == '*') {
            pattern_add_piece(form, PIECE_STAR, text + at, length);
        } else if (inside && pattern_is_gap(text[at])) {
            pattern_add_piece(form, PIECE_GAP, text + at, length);
        } else if (pattern_is_apostrophe(code)) {
            pattern_add_piece(form, PIECE_APOSTROPHE, text + at, length);
        } else {
            pattern_add_piece(form, PIECE_LETTERS, text + at, length);
        }
        at += length;
    }
}

// Makes the longest letters the anchor.  Returns false if there are none.
static bool pattern_choose_anchor(struct form *form, size_t *stars)
{
    bool any = false;
    *stars = 0;
    for (size_t i = 0; i < form->piece_count; i++) {
        const struct piece *piece = &form->pieces[i];
        *stars += piece->kind == PIECE_STAR;
        if (piece->kind != PIECE_LETTERS || (any && piece->bytes <= form->pieces[form->anchor].bytes)) {
            continue;
        }
        form->anchor = i;
        any = true;
    }
    return any;
}

// The anchor as an expression: what is no letter or digit of ASCII is escaped, byte by byte.
static char *pattern_write_anchor(const struct form *form)
{
    const struct piece *anchor = &form->pieces[form->anchor];
    char *text = calloc(4 * anchor->bytes + 1, 1);
    must(text != NULL);
    for (size_t i = 0, used = 0; i < anchor->bytes; i++) {
        unsigned char byte = (unsigned char) anchor->text[i];
        if (byte < 0x80 && isalnum(byte)) {
            text[used++] = (char) byte;
        } else {
            used += (size_t) snprintf(text + used, 5, "\\x%02x", byte);
        }
    }
    return text;
}

// Finds out which forms the last word has, and leaves of it in the last piece what they share.
static void pattern_find_endings(struct form *form, const struct pattern_terms *terms)
{
    struct piece *last = &form->pieces[form->piece_count - 1];
    bool starred = form->open_tail || (form->piece_count > 1 && last[-1].kind != PIECE_GAP);
    if ((terms->exact & FOLDING_endings) != 0) {
        return;
    }
    if (form->piece_count > 1 && form->pieces[0].kind == PIECE_LETTERS && form->pieces[1].kind == PIECE_GAP) {
        form->first = endings_of_first(terms->language, form->pieces[0].text, form->pieces[0].bytes);
    }
    if (starred || last->kind != PIECE_LETTERS) {
        return;
    }
    form->endings = endings_of(terms->language, last->text, last->bytes);
    if (form->endings.row == NULL) {
        return;
    }
    if (form->open_head && form->piece_count == 1 && form->endings.stem_bytes < last->bytes) {
        form->endings = (struct endings){ NULL, 0 };
    } else {
        last->bytes = form->endings.stem_bytes;
    }
}

// Where a script parts no words: patterns that are too short, or made of signs that make up other words, to be found
// anywhere.
static void pattern_find_word_edges(struct form *form)
{
    uint32_t first = 0;
    const struct piece *piece = &form->pieces[0];
    if (form->open_head || piece->kind != PIECE_LETTERS) {
        return;
    }
    size_t length = plain_text_character(piece->text, piece->bytes, &first);
    bool one_han = (letters_class(first) & LETTER_HAN) != 0 && length == piece->bytes && form->piece_count == 1;
    uint32_t last = 0;
    plain_text_character_before(piece->text, piece->bytes, piece->bytes, &last);
    bool han_and_hiragana = (letters_class(first) & LETTER_HAN) != 0 && (letters_class(last) & LETTER_HIRAGANA) != 0;
    form->begins_word = one_han || han_and_hiragana || (letters_class(first) & LETTER_HIRAGANA) != 0;
    bool hiragana = (letters_class(first) & letters_class(last) & LETTER_HIRAGANA) != 0;
    bool short_one = form->piece_count == 1 && piece->bytes <= 3 * SHORT_KANA;
    form->ends_word = !form->open_tail && (one_han || (hiragana && short_one));
}

static bool pattern_has_address_sign(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (strchr("@/:.", text[i]) != NULL && i + 1 < bytes) {
            return true;
        }
    }
    return false;
}

bool pattern_make_word(struct form *form, const char *text, size_t text_bytes, const struct pattern_terms *terms,
                       char reason[PATTERN_REASON_BYTES])
{
    readings_write_pattern(&form->folded, text, text_bytes, form->which, terms->exact);
    const char *folded = form->folded.text;
    size_t start = 0;
    size_t end = form->folded.bytes;
    while (start < end && (folded[start] == '*' || folded[start] == ' ')) {
        form->open_head = folded[start++] == '*' || form->open_head;
    }
    while (end > start && (folded[end - 1] == '*' || folded[end - 1] == ' ')) {
        form->open_tail = folded[--end] == '*' || form->open_tail;
    }

    size_t letters = pattern_count_letters(folded + start, end - start);
    size_t stars = 0;
    pattern_add_pieces(form, folded + start, end - start);
    if (letters == 0 || !pattern_choose_anchor(form, &stars)) {
        return pattern_refuse(reason, "an empty pattern; write a word, a phrase or /a regular expression/");
    }
    if ((form->open_head || form->open_tail) && letters == 1 && (unsigned char) folded[start] < 0x80) {
        return pattern_refuse(reason, "one letter and a * would be found in nearly every post; write more of the word");
    }
    if (stars > STARS_MAX) {
        return pattern_refuse(reason, "more than 4 times a * inside of words; make several patterns of it");
    }
    form->addresses = pattern_has_address_sign(folded + start, end - start);
    form->long_word = form->piece_count == 1 && letters >= HASHTAG_WORD_LETTERS;
    pattern_find_word_edges(form);
    pattern_find_endings(form, terms);
    pattern_choose_anchor(form, &stars);
    form->expression = pattern_write_anchor(form);
    return true;
}

void pattern_form_fini(struct form *form)
{
    free(form->expression);
    free(form->pieces);
    plain_text_fini(&form->folded);
}
