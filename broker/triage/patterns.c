// patterns.c - words, phrases and regular expressions, all looked for in one pass over a text.
//
// Of a word or phrase Vectorscan is given the longest stretch of plain letters; the rest of it, and whether
// it stands for whole words, is checked here around each match.  That is exact in every script, compiles a
// thousand in a quarter of a second (with blanks as expressions and starts of matches asked for, it was
// eight), and the scan stays as fast as for plain letters.

#include "broker/triage/patterns.h"

#include "broker/triage/endings.h"
#include "broker/triage/function_words.h"
#include "broker/triage/letters.h"
#include "broker/triage/plain_text.h"
#include "proto/base/must.h"

#include <hs/hs.h>
#include <unicode/ubrk.h>
#include <unicode/ustring.h>
#include <uninorm.h>

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP_CHARACTERS_MAX 3   // what a blank of a phrase stands for
#define STAR_CHARACTERS_MAX 30 // what a * inside a word stands for
#define STARS_MAX 4            // inside the words of one pattern
#define PLACES_MAX 512         // ways in which one pattern can lie in a text that are looked at

// Phrases and patterns with stars are followed for this many steps in a text; what of them is not found by then is not
// found.  No text that people write needs a hundredth of it.  Single words need no such bound.
#define STEPS_MAX 20000

// And this many beginnings of patterns are looked at in a text, which only a set with patterns of one letter ever has.
#define MATCHES_MAX 60000

#define HASHTAG_WORD_LETTERS 5  // a word of this many is found behind another in a hashtag,
#define HASHTAG_FIRST_LETTERS 3 // which has at least this many
#define HASHTAG_BYTES_MAX 120   // looked back for its beginning

#define SHORT_KANA 3     // a word of this many hiragana is too often a part of another
#define BREAKS_MAX 40    // places in a text at which it is asked whether a word begins,
#define BREAK_LETTERS 16 // looking at this many letters around

// Letters of scripts that part their words by blanks, and those that do not as well, as ranges.  Wide ranges
// instead of \p{L} or UCP: a Unicode property costs Vectorscan 0.1 s at every use, a range nothing.
#define SPACED_LETTERS                                                                                                 \
    "0-9a-z\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{dff}\\x{f00}-\\x{fff}\\x{10a0}-\\x{177f}\\x{1800}-\\x{1fff}"      \
    "\\x{2c00}-\\x{2dff}\\x{a000}-\\x{d7ff}\\x{fb00}-\\x{fdff}\\x{10000}-\\x{1afff}\\x{1c000}-\\x{1efff}"
#define LETTERS                                                                                                        \
    SPACED_LETTERS "_\\x{e00}-\\x{eff}\\x{1000}-\\x{109f}\\x{1780}-\\x{17ff}\\x{3005}-\\x{3007}\\x{3041}-\\x{9fff}"    \
                   "\\x{f900}-\\x{faff}\\x{20000}-\\x{3ffff}"

// What stands before and after a whole word, for regular expressions that ask for it.
#define BEFORE "(?:^|(?-i:[^" SPACED_LETTERS "]))"
#define AFTER "(?:\\z|(?-i:[^" SPACED_LETTERS "]))"

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

// One way in which a pattern is written for Vectorscan to find.  A word or phrase has pieces; a regular expression has
// none.
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

// Patterns that are exact about the same foldings.
struct group {
    unsigned exact;
    hs_database_t *database;
};

struct patterns {
    uint64_t serial; // of this process; no two are alike
    struct form *forms;
    uint8_t *form_groups; // of each form
    size_t form_count;
    size_t form_capacity;
    uint32_t count;
    struct group groups[PATTERNS_EXACT_MAX];
    size_t group_count;
    struct plain_text names; // parted by blanks, with a blank before and behind
    size_t words;            // words and phrases among the patterns
    size_t budget;           // what further regular expressions may cost
    bool compiled;
};

struct patterns_memory {
    hs_scratch_t *scratch;
    UBreakIterator *breaker; // made when first needed
    uint64_t serial;         // of the patterns it was last used with
    uint64_t *found;         // a bit for each pattern; all zero between uses
    uint32_t *indexes;       // those found
    size_t capacity;         // patterns there is room for in both
};

// An expression being written.
struct writing {
    char *text;
    size_t used;
    size_t capacity;
};

static void patterns_write_text(struct writing *writing, const char *text)
{
    size_t bytes = strlen(text);
    if (writing->used + bytes + 1 > writing->capacity) {
        writing->capacity = 2 * (writing->used + bytes + 1);
        writing->text = realloc(writing->text, writing->capacity);
        must(writing->text != NULL);
    }
    memcpy(writing->text + writing->used, text, bytes + 1);
    writing->used += bytes;
}

static void patterns_write_byte(struct writing *writing, unsigned char byte)
{
    char escaped[5];
    if (byte < 0x80 && isalnum(byte)) {
        snprintf(escaped, sizeof escaped, "%c", byte);
    } else {
        snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    }
    patterns_write_text(writing, escaped);
}

static bool patterns_is_apostrophe(uint32_t code)
{
    return code == '\'' || code == '`' || code == 0x2018 || code == 0x2019 || code == 0x2032 || code == 0x2BC;
}

static bool patterns_is_gap(char byte)
{
    return byte == ' ' || byte == '-';
}

static bool patterns_runs_on(uint32_t code)
{
    return (letters_class(code) & LETTER_RUNS_ON) != 0;
}

static bool patterns_belongs_to_word(uint32_t code)
{
    return (letters_class(code) & LETTER_WORD) != 0;
}

// Reads the character that ends at the offset, which is not 0; returns where it begins.
static size_t patterns_step_back(const char *text, size_t bytes, size_t offset, uint32_t *code)
{
    size_t start = offset - 1;
    while (start > 0 && ((unsigned char) text[start] & 0xC0) == 0x80) {
        start--;
    }
    plain_text_character(text + start, bytes - start, code);
    return start;
}

// True if a word may begin or end at the offset.
static bool patterns_is_boundary(const char *text, size_t bytes, size_t offset)
{
    if (offset == 0 || offset >= bytes) {
        return true;
    }
    uint32_t before = 0;
    uint32_t after = 0;
    patterns_step_back(text, bytes, offset, &before);
    plain_text_character(text + offset, bytes - offset, &after);
    return !patterns_belongs_to_word(before) || !patterns_belongs_to_word(after) || patterns_runs_on(before) ||
           patterns_runs_on(after);
}

// ---- words and phrases around what was found of them ----

// Offsets in a text to which a pattern's pieces have been followed, ascending or descending, each once.
struct places {
    size_t offsets[PLACES_MAX];
    size_t count;
};

static void patterns_add_place(struct places *places, size_t offset)
{
    for (size_t i = places->count; i-- > 0;) {
        if (places->offsets[i] == offset) {
            return;
        }
    }
    if (places->count < PLACES_MAX) {
        places->offsets[places->count++] = offset;
    }
}

// A text in which patterns are looked for.
struct search {
    const struct patterns *patterns;
    struct patterns_memory *memory;
    const struct reading *reading;
    unsigned exact;
    bool hashtags;  // there may be some in the reading
    size_t matches; // left, of MATCHES_MAX
    size_t steps;   // left, of STEPS_MAX
    size_t breaks;  // left, of BREAKS_MAX
};

struct around {
    struct search *search;
    const char *text;
    size_t bytes;
    bool forward; // else towards the beginning
    bool hashtag; // a blank may be left out
    unsigned exact;
};

// Goes past one character.  Returns false at the end.
static bool patterns_step(const struct around *around, size_t *offset, uint32_t *code)
{
    around->search->steps -= around->search->steps > 0;
    if (around->forward) {
        if (*offset >= around->bytes) {
            return false;
        }
        *offset += plain_text_character(around->text + *offset, around->bytes - *offset, code);
        return true;
    }
    if (*offset == 0) {
        return false;
    }
    *offset = patterns_step_back(around->text, around->bytes, *offset, code);
    return true;
}

static void patterns_follow_letters(const struct around *around, const struct piece *piece, size_t offset,
                                    struct places *places)
{
    if (around->forward ? around->bytes - offset < piece->bytes : offset < piece->bytes) {
        return;
    }
    size_t start = around->forward ? offset : offset - piece->bytes;
    if (memcmp(around->text + start, piece->text, piece->bytes) == 0) {
        patterns_add_place(places, around->forward ? offset + piece->bytes : start);
    }
}

// Goes past `least` to `most` characters that are letters, or are not.
static void patterns_follow_run(const struct around *around, bool letters, size_t least, size_t most, size_t offset,
                                struct places *places)
{
    uint32_t code = 0;
    if (least == 0) {
        patterns_add_place(places, offset);
    }
    for (size_t i = 1; i <= most && patterns_step(around, &offset, &code) && patterns_belongs_to_word(code) == letters;
         i++) {
        patterns_add_place(places, offset);
    }
}

// U+00B4, typed for an apostrophe, is a blank with an accent once folded.
static void patterns_follow_apostrophe(const struct around *around, size_t offset, struct places *places)
{
    struct piece accent = { PIECE_LETTERS, " \xCC\x81", 3 };
    bool loose = (around->exact & FOLDING_apostrophes) == 0;
    uint32_t code = 0;
    patterns_follow_letters(around, &accent, offset, places);
    if (loose) {
        patterns_add_place(places, offset);
    }
    if (patterns_step(around, &offset, &code) &&
        (patterns_is_apostrophe(code) || ((loose || code == 0xB4) && code == ' '))) {
        patterns_add_place(places, offset);
    }
}

static void patterns_follow(const struct around *around, const struct piece *piece, const struct places *from,
                            struct places *to)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        size_t offset = from->offsets[i];
        switch (piece->kind) {
        case PIECE_LETTERS:
            patterns_follow_letters(around, piece, offset, to);
            break;
        case PIECE_GAP:
            patterns_follow_run(around, false, around->hashtag ? 0 : 1, GAP_CHARACTERS_MAX, offset, to);
            break;
        case PIECE_STAR:
            patterns_follow_run(around, true, 0, STAR_CHARACTERS_MAX, offset, to);
            break;
        case PIECE_APOSTROPHE:
            patterns_follow_apostrophe(around, offset, to);
            break;
        }
    }
}

// ---- where words begin in scripts that part none ----

// Whether a word begins or ends at the offset, by the dictionaries of ICU.  True, too, once it was asked too often.
static bool patterns_is_break(struct search *search, const char *text, size_t bytes, size_t offset)
{
    UErrorCode error = U_ZERO_ERROR;
    UChar around[4 * BREAK_LETTERS];
    int32_t before = 0;
    int32_t length = 0;
    uint32_t code = 0;
    if (search->breaks == 0 || offset == 0 || offset >= bytes) {
        return true;
    }
    search->breaks--;
    size_t start = offset;
    for (int i = 0; i < BREAK_LETTERS && start > 0; i++) {
        start = patterns_step_back(text, bytes, start, &code);
    }
    size_t end = offset;
    for (int i = 0; i < BREAK_LETTERS && end < bytes; i++) {
        end += plain_text_character(text + end, bytes - end, &code);
    }
    struct patterns_memory *memory = search->memory;
    if (memory->breaker == NULL) {
        memory->breaker = ubrk_open(UBRK_WORD, "ja", NULL, 0, &error);
    }
    must(U_SUCCESS(error));
    u_strFromUTF8(around, 2 * BREAK_LETTERS, &before, text + start, (int32_t) (offset - start), &error);
    u_strFromUTF8(around + before, 2 * BREAK_LETTERS, &length, text + offset, (int32_t) (end - offset), &error);
    ubrk_setText(memory->breaker, around, before + length, &error);
    must(U_SUCCESS(error));
    return ubrk_isBoundary(memory->breaker, before);
}

// The verb kakeru makes another word of what it stands behind: uttaekakeru is to appeal, not to sue.
static bool patterns_goes_on_as_another_word(const char *text, size_t bytes, size_t offset)
{
    static const char kake[] = "かけ";
    return offset > 0 && bytes - offset >= sizeof kake - 1 && memcmp(text + offset, kake, sizeof kake - 1) == 0;
}

// ---- hashtags ----

// Where the hashtag around the offset begins, behind its #; SIZE_MAX if there is none, or too far to be looked for.
static size_t patterns_hashtag_around(struct search *search, const char *text, size_t bytes, size_t offset)
{
    uint32_t code = 0;
    if (!search->hashtags) {
        return SIZE_MAX;
    }
    for (size_t at = offset; at > 0 && offset - at < HASHTAG_BYTES_MAX && search->steps > 0; search->steps--) {
        size_t end = at;
        at = patterns_step_back(text, bytes, at, &code);
        if (code == '#') {
            return end;
        }
        if (code != '_' && !patterns_belongs_to_word(code)) {
            return SIZE_MAX;
        }
    }
    return SIZE_MAX;
}

static bool patterns_is_name(const struct patterns *patterns, const char *text, size_t bytes)
{
    char name[HASHTAG_BYTES_MAX + 3];
    if (bytes > HASHTAG_BYTES_MAX || patterns->names.text == NULL) {
        return false;
    }
    snprintf(name, sizeof name, " %.*s ", (int) bytes, text);
    return strstr(patterns->names.text, name) != NULL;
}

// True if what stands in a hashtag between two offsets is what people put before a word: a brand's name, a common word,
// or both (skyline is).
static bool patterns_is_first_word(const struct patterns *patterns, const char *text, size_t from, size_t to)
{
    size_t bytes = to - from;
    if (bytes < HASHTAG_FIRST_LETTERS) {
        return false;
    }
    if (patterns_is_name(patterns, text + from, bytes) || function_words_known(text + from, bytes)) {
        return true;
    }
    for (size_t name = HASHTAG_FIRST_LETTERS; name + 2 <= bytes; name++) {
        if (patterns_is_name(patterns, text + from, name) && function_words_known(text + from + name, bytes - name)) {
            return true;
        }
    }
    return false;
}

// ---- where a form lies in a text ----

// The letters from the offset on up to the end of the word; SIZE_MAX if they are more than any ending has.
static size_t patterns_letters_to_boundary(const struct around *around, size_t offset)
{
    size_t at = offset;
    uint32_t code = 0;
    for (;;) {
        size_t before = at;
        if (!patterns_step(around, &at, &code)) {
            break;
        }
        if (!patterns_belongs_to_word(code) || patterns_runs_on(code)) {
            at = before;
            break;
        }
        if ((at > offset ? at - offset : offset - at) > ENDINGS_BYTES_MAX) {
            return SIZE_MAX;
        }
    }
    return at > offset ? at - offset : offset - at;
}

static bool patterns_may_begin(const struct form *form, const struct around *around, size_t offset)
{
    const char *text = around->text;
    if (form->open_head) {
        return true;
    }
    if (patterns_is_boundary(text, around->bytes, offset)) {
        return !form->begins_word || patterns_is_break(around->search, text, around->bytes, offset);
    }
    const struct endings *first = form->piece_count == 1 ? &form->endings : &form->first;
    if (first->row != NULL) {
        size_t before = patterns_letters_to_boundary(around, offset);
        if (before != SIZE_MAX && before > 0 && endings_fit_before(first, text + offset - before, before)) {
            return true;
        }
    }
    if (!form->long_word || (around->exact & FOLDING_hashtags)) {
        return false;
    }
    size_t hashtag = patterns_hashtag_around(around->search, text, around->bytes, offset);
    return hashtag != SIZE_MAX && patterns_is_first_word(around->search->patterns, text, hashtag, offset);
}

static bool patterns_may_end(const struct form *form, const struct around *around, size_t offset)
{
    const char *text = around->text;
    if (form->open_tail) {
        return true;
    }
    if (form->endings.row != NULL) {
        size_t rest = patterns_letters_to_boundary(around, offset);
        const struct piece *last = &form->pieces[form->piece_count - 1];
        const char *word = last->text + last->bytes - form->endings.stem_bytes;
        return rest != SIZE_MAX && endings_fit(&form->endings, word, text + offset, rest);
    }
    if (!patterns_is_boundary(text, around->bytes, offset)) {
        return false;
    }
    return (!form->ends_word || patterns_is_break(around->search, text, around->bytes, offset)) &&
           !(form->begins_word && patterns_goes_on_as_another_word(text, around->bytes, offset));
}

// True if the pieces on one side of the anchor lie in the text from `offset` on, up to the beginning or the end of a
// word unless that end is open.
static bool patterns_lies_around(const struct form *form, const struct around *around, size_t offset)
{
    struct places places[2];
    size_t now = 0;
    places[0].count = 1;
    places[1].count = 0;
    places[0].offsets[0] = offset;
    size_t left = around->forward ? form->piece_count - 1 - form->anchor : form->anchor;
    for (size_t i = 1; i <= left && places[now].count > 0; i++, now = 1 - now) {
        size_t piece = around->forward ? form->anchor + i : form->anchor - i;
        patterns_follow(around, &form->pieces[piece], &places[now], &places[1 - now]);
    }
    for (size_t i = 0; i < places[now].count; i++) {
        size_t at = places[now].offsets[i];
        if (around->forward ? patterns_may_end(form, around, at) : patterns_may_begin(form, around, at)) {
            return true;
        }
    }
    return false;
}

// True if the whole form lies where its anchor was found to end.
static bool patterns_lies_at(const struct form *form, struct search *search, size_t anchor_end)
{
    const char *text = search->reading->text;
    size_t bytes = search->reading->bytes;
    size_t anchor_start = anchor_end - form->pieces[form->anchor].bytes;
    bool hashtag = form->piece_count > 1 && !(search->exact & FOLDING_hashtags) &&
                   patterns_hashtag_around(search, text, bytes, anchor_start) != SIZE_MAX;
    struct around back = { search, text, bytes, false, hashtag, search->exact };
    struct around ahead = { search, text, bytes, true, hashtag, search->exact };
    return patterns_lies_around(form, &back, anchor_start) && patterns_lies_around(form, &ahead, anchor_end);
}

// ---- making patterns ----

static bool patterns_refuse(char reason[PATTERN_REASON_BYTES], const char *why)
{
    snprintf(reason, PATTERN_REASON_BYTES, "%s", why);
    return false;
}

static size_t patterns_count_letters(const char *text, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != '*' && !patterns_is_gap(text[i]) && ((unsigned char) text[i] & 0xC0) != 0x80) {
            count++;
        }
    }
    return count;
}

static void patterns_add_piece(struct form *form, enum piece_kind kind, const char *text, size_t bytes)
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
static void patterns_add_pieces(struct form *form, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t code = 0;
        size_t length = plain_text_character(text + at, bytes - at, &code);
        bool inside = at > 0 && at + length < bytes;
        if (code == '*') {
            patterns_add_piece(form, PIECE_STAR, text + at, length);
        } else if (inside && patterns_is_gap(text[at])) {
            patterns_add_piece(form, PIECE_GAP, text + at, length);
        } else if (patterns_is_apostrophe(code)) {
            patterns_add_piece(form, PIECE_APOSTROPHE, text + at, length);
        } else {
            patterns_add_piece(form, PIECE_LETTERS, text + at, length);
        }
        at += length;
    }
}

// Makes the longest letters the anchor.  Returns false if there are none.
static bool patterns_choose_anchor(struct form *form, size_t *stars)
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

static char *patterns_write_anchor(const struct form *form)
{
    const struct piece *anchor = &form->pieces[form->anchor];
    struct writing writing = { 0 };
    for (size_t i = 0; i < anchor->bytes; i++) {
        patterns_write_byte(&writing, (unsigned char) anchor->text[i]);
    }
    return writing.text;
}

// Finds out which forms the last word has, and leaves of it in the last piece what they share.
static void patterns_find_endings(struct form *form, const struct pattern_terms *terms)
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
static void patterns_find_word_edges(struct form *form)
{
    uint32_t first = 0;
    const struct piece *piece = &form->pieces[0];
    if (form->open_head || piece->kind != PIECE_LETTERS) {
        return;
    }
    size_t length = plain_text_character(piece->text, piece->bytes, &first);
    bool one_han = (letters_class(first) & LETTER_HAN) != 0 && length == piece->bytes && form->piece_count == 1;
    uint32_t last = 0;
    patterns_step_back(piece->text, piece->bytes, piece->bytes, &last);
    bool han_and_hiragana = (letters_class(first) & LETTER_HAN) != 0 && (letters_class(last) & LETTER_HIRAGANA) != 0;
    form->begins_word = one_han || han_and_hiragana || (letters_class(first) & LETTER_HIRAGANA) != 0;
    bool hiragana = (letters_class(first) & letters_class(last) & LETTER_HIRAGANA) != 0;
    bool short_one = form->piece_count == 1 && piece->bytes <= 3 * SHORT_KANA;
    form->ends_word = !form->open_tail && (one_han || (hiragana && short_one));
}

static bool patterns_has_address_sign(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (strchr("@/:.", text[i]) != NULL && i + 1 < bytes) {
            return true;
        }
    }
    return false;
}

static bool patterns_make_word(struct form *form, const char *text, size_t text_bytes,
                               const struct pattern_terms *terms, char reason[PATTERN_REASON_BYTES])
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

    size_t letters = patterns_count_letters(folded + start, end - start);
    size_t stars = 0;
    patterns_add_pieces(form, folded + start, end - start);
    if (letters == 0 || !patterns_choose_anchor(form, &stars)) {
        return patterns_refuse(reason, "an empty pattern; write a word, a phrase or /a regular expression/");
    }
    if ((form->open_head || form->open_tail) && letters == 1 && (unsigned char) folded[start] < 0x80) {
        return patterns_refuse(reason,
                               "one letter and a * would be found in nearly every post; write more of the word");
    }
    if (stars > STARS_MAX) {
        return patterns_refuse(reason, "more than 4 times a * inside of words; make several patterns of it");
    }
    form->addresses = patterns_has_address_sign(folded + start, end - start);
    form->long_word = form->piece_count == 1 && letters >= HASHTAG_WORD_LETTERS;
    patterns_find_word_edges(form);
    patterns_find_endings(form, terms);
    patterns_choose_anchor(form, &stars);
    form->expression = patterns_write_anchor(form);
    return true;
}

// What compiling an expression will cost, and what \b cannot be used with.
struct survey {
    size_t atoms;           // characters and classes
    size_t repeats;         // product of the upper bounds in {}
    bool boundary_inside;   // \b or \B elsewhere than at an end
    bool outer_alternative; // | outside of any group
    bool negated_inside;    // \W inside of [ ]
};

// Reads a repeat at `*at`, a {, and leaves `*at` at its }.  Returns its upper bound; 1, and nothing moved, when
// it is no repeat.
static size_t patterns_read_repeat(const char *text, size_t bytes, size_t *at)
{
    size_t bound = 0;
    size_t number = 0;
    bool digits = false;
    for (size_t i = *at + 1; i < bytes; i++) {
        if (isdigit((unsigned char) text[i])) {
            digits = true;
            number = number > 100000 ? number : number * 10 + (size_t) (text[i] - '0');
        } else if (text[i] == ',' || text[i] == '}') {
            bound = number > bound ? number : bound;
            number = 0;
        } else {
            return 1;
        }
        if (text[i] == '}' && digits) {
            *at = i;
            return bound > 0 ? bound : 1;
        }
    }
    return 1;
}

// Length of what begins a class: [ or [^, and a ] that stands for itself.
static size_t patterns_class_start(const char *text, size_t bytes, size_t at)
{
    size_t length = 1;
    length += at + length < bytes && text[at + length] == '^';
    length += at + length < bytes && text[at + length] == ']';
    return length;
}

// Looks at the escape at `*at`, a backslash, and leaves `*at` at its end.
static void patterns_survey_escape(struct survey *survey, const char *text, size_t bytes, size_t *at, bool in_class)
{
    char escaped = text[++*at];
    survey->boundary_inside |= !in_class && (escaped == 'b' || escaped == 'B');
    survey->negated_inside |= in_class && escaped == 'W';
    survey->atoms += escaped == 'p' || escaped == 'P' ? PATTERN_PROPERTY_COST : !in_class;
    bool braces = strchr("xpPNgko", escaped) != NULL && *at + 1 < bytes && text[*at + 1] == '{';
    const char *end = braces ? memchr(text + *at, '}', bytes - *at) : NULL;
    if (end != NULL) {
        *at = (size_t) (end - text);
    }
}

static struct survey patterns_survey_expression(const char *text, size_t bytes)
{
    struct survey survey = { .repeats = 1 };
    size_t depth = 0;
    bool in_class = false;
    for (size_t at = 0; at < bytes; at++) {
        char byte = text[at];
        if (byte == '\\' && at + 1 < bytes) {
            patterns_survey_escape(&survey, text, bytes, &at, in_class);
        } else if (in_class) {
            in_class = byte != ']';
        } else if (byte == '[') {
            in_class = true;
            survey.atoms++;
            at += patterns_class_start(text, bytes, at) - 1;
        } else if (byte == '(') {
            depth++;
        } else if (byte == ')' && depth > 0) {
            depth--;
        } else if (byte == '|' && depth == 0) {
            survey.outer_alternative = true;
        } else if (byte == '{' && survey.repeats <= PATTERN_COST_MAX) {
            survey.repeats *= patterns_read_repeat(text, bytes, &at);
        } else {
            survey.atoms++;
        }
    }
    return survey;
}

// Writes one escaped character of an expression: \w and \W stand for the letters of every script.
static void patterns_write_escape(struct writing *writing, char escaped, bool in_class)
{
    char plain[3] = { '\\', escaped, '\0' };
    if (escaped == 'w') {
        patterns_write_text(writing, in_class ? LETTERS : "[" LETTERS "]");
    } else if (escaped == 'W') {
        patterns_write_text(writing, "[^" LETTERS "]");
    } else {
        patterns_write_text(writing, plain);
    }
}

// Folds what is not ASCII of an expression as the text is; its ASCII may be syntax, and the case does not
// matter to Vectorscan.
static char *patterns_fold_expression(const char *text, size_t text_bytes, enum pattern_form which, unsigned exact)
{
    size_t bytes = 0;
    uint8_t *composed = u8_normalize(UNINORM_NFC, (const uint8_t *) text, text_bytes, NULL, &bytes);
    must(composed != NULL);
    struct writing writing = { 0 };
    patterns_write_text(&writing, "");
    struct plain_text folded = { 0 };
    bool in_class = false;
    for (size_t at = 0; at < bytes;) {
        size_t end = at;
        while (end < bytes && composed[end] >= 0x80) {
            end++;
        }
        char ascii[2] = { (char) composed[at], '\0' };
        if (end > at) {
            readings_write_pattern(&folded, (const char *) composed + at, end - at, which, exact);
            patterns_write_text(&writing, folded.text);
            at = end;
        } else if (ascii[0] == '\\' && at + 1 < bytes && composed[at + 1] < 0x80) {
            patterns_write_escape(&writing, (char) composed[at + 1], in_class);
            at += 2;
        } else if (ascii[0] == '[' && !in_class) {
            in_class = true;
            for (size_t left = patterns_class_start((const char *) composed, bytes, at); left > 0; left--) {
                char start[2] = { (char) composed[at++], '\0' };
                patterns_write_text(&writing, start);
            }
        } else {
            in_class = in_class && ascii[0] != ']';
            patterns_write_text(&writing, ascii);
            at++;
        }
    }
    plain_text_fini(&folded);
    free(composed);
    return writing.text;
}

// Asks Vectorscan whether it understands an expression.
static bool patterns_understands(const char *expression, unsigned flags, char reason[PATTERN_REASON_BYTES])
{
    hs_compile_error_t *error = NULL;
    hs_expr_info_t *information = NULL;
    bool good = hs_expression_info(expression, flags, &information, &error) == HS_SUCCESS;
    if (!good && strstr(error->message, "matches empty") != NULL) {
        patterns_refuse(reason, "this expression is found in every text; something in it must not be optional");
    } else if (!good) {
        snprintf(reason, PATTERN_REASON_BYTES, "not a regular expression that can be used here: %s", error->message);
    } else if (information->min_width == 0) {
        good = patterns_refuse(reason, "this expression is found in every text; something in it must not be optional");
    }
    hs_free_compile_error(error);
    free(information);
    return good;
}

static bool patterns_ends_with_boundary(const char *text, size_t bytes)
{
    size_t slashes = 0;
    while (slashes + 1 < bytes && text[bytes - 2 - slashes] == '\\') {
        slashes++;
    }
    return bytes >= 2 && text[bytes - 1] == 'b' && slashes % 2 == 1;
}

// True of an expression that seems to look for an address.
static bool patterns_expects_address(const char *text, size_t bytes)
{
    static const char *const signs[] = { "@", "://", "\\.", "\\/", "http", "www" };
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (memmem(text, bytes, signs[i], strlen(signs[i])) != NULL) {
            return true;
        }
    }
    return false;
}

static bool patterns_make_expression(struct form *form, const char *text, size_t bytes,
                                     const struct pattern_terms *terms, size_t *budget,
                                     char reason[PATTERN_REASON_BYTES])
{
    bool head = bytes >= 2 && text[0] == '\\' && text[1] == 'b';
    text += head ? 2 : 0;
    bytes -= head ? 2 : 0;
    bool tail = patterns_ends_with_boundary(text, bytes);
    bytes -= tail ? 2 : 0;

    struct survey survey = patterns_survey_expression(text, bytes);
    if (survey.boundary_inside) {
        return patterns_refuse(reason,
                               "\\b can stand only at the beginning and at the end of an expression, and \\B nowhere");
    }
    if ((head || tail) && survey.outer_alternative) {
        return patterns_refuse(reason, "with \\b, put alternatives into parentheses: /\\b(one|other)\\b/");
    }
    if (survey.negated_inside) {
        return patterns_refuse(reason, "\\W cannot stand inside of [ ]; write [^\\w...] instead");
    }
    size_t cost = survey.atoms * survey.repeats;
    if (cost > PATTERN_COST_MAX) {
        return patterns_refuse(
            reason, "too costly: its characters, times the upper numbers in {}, make more than 1000 (\\p counts "
                    "50; \\w finds letters of every script)");
    }
    if (cost > *budget) {
        return patterns_refuse(
            reason, "one too many: the regular expressions of a desk together are too costly; write words and "
                    "phrases instead");
    }
    *budget -= cost;

    char *folded = patterns_fold_expression(text, bytes, form->which, terms->exact);
    form->addresses = patterns_expects_address(text, bytes);
    form->flags = HS_FLAG_UTF8 | HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
    bool good = patterns_understands(folded, form->flags, reason);
    if (good) {
        struct writing writing = { 0 };
        patterns_write_text(&writing, head ? BEFORE "(?:" : "(?:");
        patterns_write_text(&writing, folded);
        patterns_write_text(&writing, tail ? ")" AFTER : ")");
        form->expression = writing.text;
        good = patterns_understands(form->expression, form->flags, reason);
    }
    free(folded);
    return good;
}

static void patterns_empty_form(struct form *form)
{
    free(form->expression);
    free(form->pieces);
    plain_text_fini(&form->folded);
}

struct patterns *patterns_new(void)
{
    static atomic_uint_fast64_t serials = 1;
    struct patterns *patterns = calloc(1, sizeof *patterns);
    must(patterns != NULL);
    patterns->budget = PATTERNS_COST_MAX;
    patterns->serial = atomic_fetch_add(&serials, 1);
    return patterns;
}

void patterns_destroy(struct patterns **patterns_p)
{
    struct patterns *patterns = *patterns_p;
    if (patterns == NULL) {
        return;
    }
    for (size_t i = 0; i < patterns->form_count; i++) {
        patterns_empty_form(&patterns->forms[i]);
    }
    free(patterns->forms);
    free(patterns->form_groups);
    for (size_t i = 0; i < patterns->group_count; i++) {
        hs_free_database(patterns->groups[i].database);
    }
    plain_text_fini(&patterns->names);
    free(patterns);
    *patterns_p = NULL;
}

// The index of the group of patterns that are exact about these; PATTERNS_EXACT_MAX if there is no room for it.
static size_t patterns_group_for(struct patterns *patterns, unsigned exact)
{
    size_t i = 0;
    while (i < patterns->group_count && patterns->groups[i].exact != exact) {
        i++;
    }
    if (i == patterns->group_count && i < PATTERNS_EXACT_MAX) {
        patterns->groups[patterns->group_count++] = (struct group){ .exact = exact };
    }
    return i;
}

static void patterns_keep_form(struct patterns *patterns, struct form *form, size_t group)
{
    if (patterns->form_count == patterns->form_capacity) {
        patterns->form_capacity = patterns->form_capacity > 0 ? 2 * patterns->form_capacity : 64;
        patterns->forms = realloc(patterns->forms, patterns->form_capacity * sizeof *form);
        patterns->form_groups = realloc(patterns->form_groups, patterns->form_capacity);
        must(patterns->forms != NULL);
        must(patterns->form_groups != NULL);
    }
    form->pattern = patterns->count;
    patterns->form_groups[patterns->form_count] = (uint8_t) group;
    patterns->forms[patterns->form_count++] = *form;
}

// True if letters that look alike leave a word of two alphabets, which no text has but by them.
static bool patterns_stays_mixed(const char *text)
{
    size_t bytes = strlen(text);
    bool latin = false;
    bool other = false;
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        i += plain_text_character(text + i, bytes - i, &code);
        bool alphabetic = (letters_class(code) & LETTER_ALPHABETIC) != 0;
        latin = latin || (alphabetic && code < 0x80);
        other = other || (alphabetic && code >= 0x80);
    }
    return latin && other;
}

// True if a further form of a pattern is one that the plain form is not.
static bool patterns_differs(const char *text, size_t bytes, enum pattern_form which, unsigned exact)
{
    unsigned folding = which == PATTERN_DIGRAPHS     ? FOLDING_accents
                       : which == PATTERN_LOOKALIKES ? FOLDING_lookalikes
                                                     : FOLDING_kana;
    if (exact & folding) {
        return false;
    }
    struct plain_text plain = { 0 };
    struct plain_text other = { 0 };
    readings_write_pattern(&plain, text, bytes, PATTERN_PLAIN, exact);
    readings_write_pattern(&other, text, bytes, which, exact);
    bool differ =
        strcmp(plain.text, other.text) != 0 && (which != PATTERN_LOOKALIKES || patterns_stays_mixed(other.text));
    plain_text_fini(&plain);
    plain_text_fini(&other);
    return differ;
}

// What people write who mean several patterns.
static bool patterns_check_signs(const char *text, size_t bytes, char reason[PATTERN_REASON_BYTES])
{
    const char *bar = memchr(text, '|', bytes);
    if (bar == NULL || bar == text || bar + 1 == text + bytes) {
        return true;
    }
    snprintf(reason, PATTERN_REASON_BYTES,
             "| stands for \"or\" only in a regular expression: write two patterns, or /\\b(%.*s)\\b/",
             (int) (bytes < 100 ? bytes : 100), text);
    return false;
}

bool patterns_add(struct patterns *patterns, const char *text, size_t bytes, const struct pattern_terms *terms,
                  char reason[PATTERN_REASON_BYTES])
{
    must(!patterns->compiled);
    bool expression = bytes >= 2 && text[0] == '/' && text[bytes - 1] == '/';
    if (bytes > PATTERN_BYTES_MAX) {
        return patterns_refuse(reason, "longer than 256 bytes; make several patterns of it");
    }
    if (memchr(text, '\0', bytes) != NULL) {
        return patterns_refuse(reason, "has a NUL character in it");
    }
    if (!expression && patterns->words == PATTERNS_WORDS_MAX) {
        return patterns_refuse(reason, "more than 8000 words and phrases");
    }
    if (!expression && !patterns_check_signs(text, bytes, reason)) {
        return false;
    }
    size_t group = patterns_group_for(patterns, terms->exact);
    if (group == PATTERNS_EXACT_MAX) {
        return patterns_refuse(reason,
                               "one too many: the rules of a desk can be exact in 4 ways at most, counting not at all");
    }

    struct form forms[PATTERN_FORM_COUNT] = { 0 };
    size_t count = 0;
    size_t free_of_charge = SIZE_MAX; // further forms of an expression
    bool good = true;
    for (int which = PATTERN_PLAIN; which < PATTERN_FORM_COUNT && good; which++) {
        if (which != PATTERN_PLAIN && !patterns_differs(text, bytes, (enum pattern_form) which, terms->exact)) {
            continue;
        }
        struct form *form = &forms[count++];
        form->which = (enum pattern_form) which;
        good = expression ? patterns_make_expression(form, text + 1, bytes - 2, terms,
                                                     count > 1 ? &free_of_charge : &patterns->budget, reason)
                          : patterns_make_word(form, text, bytes, terms, reason);
    }
    for (size_t i = 0; i < count; i++) {
        if (good) {
            patterns_keep_form(patterns, &forms[i], group);
        } else {
            patterns_empty_form(&forms[i]);
        }
    }
    patterns->count += good;
    patterns->words += good && !expression;
    return good;
}

void patterns_add_name(struct patterns *patterns, const char *name)
{
    struct plain_text folded = { 0 };
    must(!patterns->compiled);
    if (patterns->names.bytes == 0) {
        plain_text_append(&patterns->names, ' ');
    }
    readings_write_pattern(&folded, name, strlen(name), PATTERN_PLAIN, 0);
    // "Skyline Air" stands in hashtags as skylineair, and as skyline.
    for (int joined = 0; joined < 2; joined++) {
        for (size_t i = 0; i < folded.bytes; i++) {
            if (folded.text[i] != ' ' || joined == 0) {
                plain_text_append(&patterns->names, (unsigned char) folded.text[i]);
            }
        }
        plain_text_append(&patterns->names, ' ');
    }
    plain_text_fini(&folded);
}

size_t patterns_count(const struct patterns *patterns)
{
    return patterns->count;
}

static bool patterns_compile_group(struct patterns *patterns, size_t group, uint32_t *at_fault,
                                   char reason[PATTERN_REASON_BYTES])
{
    size_t count = 0;
    const char **expressions = calloc(patterns->form_count, sizeof *expressions);
    unsigned *flags = calloc(patterns->form_count, sizeof *flags);
    unsigned *ids = calloc(patterns->form_count, sizeof *ids);
    must(expressions != NULL && flags != NULL && ids != NULL);
    for (size_t i = 0; i < patterns->form_count; i++) {
        if (patterns->form_groups[i] != group) {
            continue;
        }
        expressions[count] = patterns->forms[i].expression;
        flags[count] = patterns->forms[i].flags;
        ids[count++] = (unsigned) i;
    }
    hs_compile_error_t *error = NULL;
    bool good = hs_compile_multi(expressions, flags, ids, (unsigned) count, HS_MODE_BLOCK, NULL,
                                 &patterns->groups[group].database, &error) == HS_SUCCESS;
    if (!good) {
        *at_fault = error->expression >= 0 ? patterns->forms[ids[error->expression]].pattern : UINT32_MAX;
        snprintf(reason, PATTERN_REASON_BYTES, "too much for the pattern matcher: %s", error->message);
    }
    hs_free_compile_error(error);
    free(expressions);
    free(flags);
    free(ids);
    return good;
}

bool patterns_compile(struct patterns *patterns, uint32_t *at_fault, char reason[PATTERN_REASON_BYTES])
{
    must(!patterns->compiled);
    *at_fault = UINT32_MAX;
    if (hs_valid_platform() != HS_SUCCESS) {
        return patterns_refuse(reason, "this computer's processor lacks what Vectorscan needs (SSE4.2 or NEON)");
    }
    // A group of which no pattern was good in the end is empty.
    for (size_t i = 0; i < patterns->group_count; i++) {
        bool any = patterns->form_count > 0 && memchr(patterns->form_groups, (int) i, patterns->form_count) != NULL;
        if (any && !patterns_compile_group(patterns, i, at_fault, reason)) {
            return false;
        }
    }
    patterns->compiled = true;
    return true;
}

struct patterns_memory *patterns_memory_new(void)
{
    struct patterns_memory *memory = calloc(1, sizeof *memory);
    must(memory != NULL);
    return memory;
}

void patterns_memory_destroy(struct patterns_memory **memory_p)
{
    struct patterns_memory *memory = *memory_p;
    if (memory == NULL) {
        return;
    }
    hs_free_scratch(memory->scratch);
    if (memory->breaker != NULL) {
        ubrk_close(memory->breaker);
    }
    free(memory->found);
    free(memory->indexes);
    free(memory);
    *memory_p = NULL;
}

static int patterns_take_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                               void *argument)
{
    (void) from;
    (void) flags;
    struct search *search = argument;
    const struct form *form = &search->patterns->forms[id];
    uint64_t bit = UINT64_C(1) << (form->pattern % 64);
    uint64_t *found = &search->memory->found[form->pattern / 64];
    if (search->matches-- == 1) {
        return 1;
    }
    if ((*found & bit) != 0 || (search->reading->addresses && !form->addresses)) {
        return 0;
    }
    if (form->piece_count > 1 && search->steps == 0) {
        return 0;
    }
    if (form->piece_count == 0 || patterns_lies_at(form, search, (size_t) to)) {
        *found |= bit;
    }
    return 0;
}

static void patterns_make_room(struct patterns_memory *memory, const struct patterns *patterns)
{
    if (memory->serial == patterns->serial) {
        return;
    }
    memory->serial = patterns->serial;
    // Grows where a database needs more than those before it.
    for (size_t i = 0; i < patterns->group_count; i++) {
        if (patterns->groups[i].database != NULL) {
            must(hs_alloc_scratch(patterns->groups[i].database, &memory->scratch) == HS_SUCCESS);
        }
    }
    if (memory->capacity >= patterns->count) {
        return;
    }
    free(memory->found);
    free(memory->indexes);
    memory->capacity = patterns->count;
    memory->found = calloc((patterns->count + 63) / 64, sizeof *memory->found);
    memory->indexes = calloc(patterns->count, sizeof *memory->indexes);
    must(memory->found != NULL && memory->indexes != NULL);
}

const uint32_t *patterns_find(const struct patterns *patterns, struct patterns_memory *memory,
                              struct readings *readings, size_t *count)
{
    must(patterns->compiled);
    *count = 0;
    patterns_make_room(memory, patterns);
    struct search search = {
        .patterns = patterns, .memory = memory, .matches = MATCHES_MAX, .steps = STEPS_MAX, .breaks = BREAKS_MAX
    };
    for (size_t group = 0; group < patterns->group_count; group++) {
        size_t reading_count = 0;
        if (patterns->groups[group].database == NULL) {
            continue;
        }
        search.exact = patterns->groups[group].exact;
        const struct reading *all = readings_write(readings, search.exact, &reading_count);
        for (size_t i = 0; i < reading_count && search.matches > 0; i++) {
            search.reading = &all[i];
            search.hashtags = memchr(all[i].text, '#', all[i].bytes) != NULL;
            hs_error_t scanned = hs_scan(patterns->groups[group].database, all[i].text, (unsigned) all[i].bytes, 0,
                                         memory->scratch, patterns_take_match, &search);
            must(scanned == HS_SUCCESS || scanned == HS_SCAN_TERMINATED);
        }
    }
    for (size_t word = 0; word < (patterns->count + 63) / 64; word++) {
        for (uint64_t bits = memory->found[word]; bits != 0; bits &= bits - 1) {
            memory->indexes[(*count)++] = (uint32_t) (word * 64 + (size_t) __builtin_ctzll(bits));
        }
        memory->found[word] = 0;
    }
    return memory->indexes;
}
