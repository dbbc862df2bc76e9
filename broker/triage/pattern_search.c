// pattern_search.c - words and phrases around what was found of them: pieces on both sides, where words begin and end.
//
// That is exact in every script, compiles a thousand in a quarter of a second (with blanks as expressions and starts of
// matches asked for, it was eight), and the scan stays as fast as for plain letters.

#include "broker/triage/pattern_search.h"

#include "broker/triage/function_words.h"
#include "broker/triage/letters.h"
#include "broker/triage/plain_text.h"
#include "proto/base/must.h"

#include <stdio.h>
#include <string.h>
#include <unicode/ustring.h>

#define PLACES_MAX 512          // ways in which one pattern can lie in a text that are looked at
#define HASHTAG_FIRST_LETTERS 3 // a word behind another in a hashtag stands behind at least this many,
#define HASHTAG_BYTES_MAX 120   // looked back for its beginning
#define BREAK_LETTERS 16        // looked at on each side of where a word may begin

static bool pattern_runs_on(uint32_t code)
{
    return (letters_class(code) & LETTER_RUNS_ON) != 0;
}

static bool pattern_belongs_to_word(uint32_t code)
{
    return (letters_class(code) & LETTER_WORD) != 0;
}

// True if a word may begin or end at the offset.
static bool pattern_is_boundary(const char *text, size_t bytes, size_t offset)
{
    if (offset == 0 || offset >= bytes) {
        return true;
    }
    uint32_t before = 0;
    uint32_t after = 0;
    plain_text_character_before(text, bytes, offset, &before);
    plain_text_character(text + offset, bytes - offset, &after);
    return !pattern_belongs_to_word(before) || !pattern_belongs_to_word(after) || pattern_runs_on(before) ||
           pattern_runs_on(after);
}

// ---- words and phrases around what was found of them ----

// Offsets in a text to which a pattern's pieces have been followed, ascending or descending, each once.
struct places {
    size_t offsets[PLACES_MAX];
    size_t count;
};

static void pattern_add_place(struct places *places, size_t offset)
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

// From where, and which way, a form's pieces are followed.
struct around {
    struct pattern_search *search;
    const char *text;
    size_t bytes;
    bool forward; // else towards the beginning
    bool hashtag; // a blank may be left out
    unsigned exact;
};

// Goes past one character.  Returns false at the end.
static bool pattern_step(const struct around *around, size_t *offset, uint32_t *code)
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
    *offset = plain_text_character_before(around->text, around->bytes, *offset, code);
    return true;
}

static void pattern_follow_letters(const struct around *around, const struct piece *piece, size_t offset,
                                   struct places *places)
{
    if (around->forward ? around->bytes - offset < piece->bytes : offset < piece->bytes) {
        return;
    }
    size_t start = around->forward ? offset : offset - piece->bytes;
    if (memcmp(around->text + start, piece->text, piece->bytes) == 0) {
        pattern_add_place(places, around->forward ? offset + piece->bytes : start);
    }
}

// Goes past `least` to `most` characters that are letters, or are not.
static void pattern_follow_run(const struct around *around, bool letters, size_t least, size_t most, size_t offset,
                               struct places *places)
{
    uint32_t code = 0;
    if (least == 0) {
        pattern_add_place(places, offset);
    }
    for (size_t i = 1; i <= most && pattern_step(around, &offset, &code) && pattern_belongs_to_word(code) == letters;
         i++) {
        pattern_add_place(places, offset);
    }
}

// U+00B4, typed for an apostrophe, is a blank with an accent once folded.
static void pattern_follow_apostrophe(const struct around *around, size_t offset, struct places *places)
{
    struct piece accent = { PIECE_LETTERS, " \xCC\x81", 3 };
    bool loose = (around->exact & FOLDING_apostrophes) == 0;
    uint32_t code = 0;
    pattern_follow_letters(around, &accent, offset, places);
    if (loose) {
        pattern_add_place(places, offset);
    }
    if (pattern_step(around, &offset, &code) &&
        (pattern_is_apostrophe(code) || ((loose || code == 0xB4) && code == ' '))) {
        pattern_add_place(places, offset);
    }
}

static void pattern_follow(const struct around *around, const struct piece *piece, const struct places *from,
                           struct places *to)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        size_t offset = from->offsets[i];
        switch (piece->kind) {
        case PIECE_LETTERS:
            pattern_follow_letters(around, piece, offset, to);
            break;
        case PIECE_GAP:
            pattern_follow_run(around, false, around->hashtag ? 0 : 1, GAP_CHARACTERS_MAX, offset, to);
            break;
        case PIECE_STAR:
            pattern_follow_run(around, true, 0, STAR_CHARACTERS_MAX, offset, to);
            break;
        case PIECE_APOSTROPHE:
            pattern_follow_apostrophe(around, offset, to);
            break;
        }
    }
}

// ---- where words begin in scripts that part none ----

// Whether a word begins or ends at the offset, by the dictionaries of ICU.  True, too, once it was asked too often.
static bool pattern_is_break(struct pattern_search *search, const char *text, size_t bytes, size_t offset)
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
        start = plain_text_character_before(text, bytes, start, &code);
    }
    size_t end = offset;
    for (int i = 0; i < BREAK_LETTERS && end < bytes; i++) {
        end += plain_text_character(text + end, bytes - end, &code);
    }
    if (*search->breaker == NULL) {
        *search->breaker = ubrk_open(UBRK_WORD, "ja", NULL, 0, &error);
    }
    must(U_SUCCESS(error));
    u_strFromUTF8(around, 2 * BREAK_LETTERS, &before, text + start, (int32_t) (offset - start), &error);
    u_strFromUTF8(around + before, 2 * BREAK_LETTERS, &length, text + offset, (int32_t) (end - offset), &error);
    ubrk_setText(*search->breaker, around, before + length, &error);
    must(U_SUCCESS(error));
    return ubrk_isBoundary(*search->breaker, before);
}

// The verb kakeru makes another word of what it stands behind: uttaekakeru is to appeal, not to sue.
static bool pattern_goes_on_as_another_word(const char *text, size_t bytes, size_t offset)
{
    static const char kake[] = "かけ";
    return offset > 0 && bytes - offset >= sizeof kake - 1 && memcmp(text + offset, kake, sizeof kake - 1) == 0;
}

// ---- hashtags ----

// Where the hashtag around the offset begins, behind its #; SIZE_MAX if there is none, or too far to be looked for.
static size_t pattern_hashtag_around(struct pattern_search *search, const char *text, size_t bytes, size_t offset)
{
    uint32_t code = 0;
    if (!search->hashtags) {
        return SIZE_MAX;
    }
    for (size_t at = offset; at > 0 && offset - at < HASHTAG_BYTES_MAX && search->steps > 0; search->steps--) {
        size_t end = at;
        at = plain_text_character_before(text, bytes, at, &code);
        if (code == '#') {
            return end;
        }
        if (code != '_' && !pattern_belongs_to_word(code)) {
            return SIZE_MAX;
        }
    }
    return SIZE_MAX;
}

static bool pattern_is_name(const char *names, const char *text, size_t bytes)
{
    char name[HASHTAG_BYTES_MAX + 3];
    if (bytes > HASHTAG_BYTES_MAX || names == NULL) {
        return false;
    }
    snprintf(name, sizeof name, " %.*s ", (int) bytes, text);
    return strstr(names, name) != NULL;
}

// True if what stands in a hashtag between two offsets is what people put before a word: a brand's name, a common word,
// or both (skyline is).
static bool pattern_is_first_word(const char *names, const char *text, size_t from, size_t to)
{
    size_t bytes = to - from;
    if (bytes < HASHTAG_FIRST_LETTERS) {
        return false;
    }
    if (pattern_is_name(names, text + from, bytes) || function_words_known(text + from, bytes)) {
        return true;
    }
    for (size_t name = HASHTAG_FIRST_LETTERS; name + 2 <= bytes; name++) {
        if (pattern_is_name(names, text + from, name) && function_words_known(text + from + name, bytes - name)) {
            return true;
        }
    }
    return false;
}

// ---- where a form lies in a text ----

// The letters from the offset on up to the end of the word; SIZE_MAX if they are more than any ending has.
static size_t pattern_letters_to_boundary(const struct around *around, size_t offset)
{
    size_t at = offset;
    uint32_t code = 0;
    for (;;) {
        size_t before = at;
        if (!pattern_step(around, &at, &code)) {
            break;
        }
        if (!pattern_belongs_to_word(code) || pattern_runs_on(code)) {
            at = before;
            break;
        }
        if ((at > offset ? at - offset : offset - at) > ENDINGS_BYTES_MAX) {
            return SIZE_MAX;
        }
    }
    return at > offset ? at - offset : offset - at;
}

static bool pattern_may_begin(const struct form *form, const struct around *around, size_t offset)
{
    const char *text = around->text;
    if (form->open_head) {
        return true;
    }
    if (pattern_is_boundary(text, around->bytes, offset)) {
        return !form->begins_word || pattern_is_break(around->search, text, around->bytes, offset);
    }
    const struct endings *first = form->piece_count == 1 ? &form->endings : &form->first;
    if (first->row != NULL) {
        size_t before = pattern_letters_to_boundary(around, offset);
        if (before != SIZE_MAX && before > 0 && endings_fit_before(first, text + offset - before, before)) {
            return true;
        }
    }
    if (!form->long_word || (around->exact & FOLDING_hashtags)) {
        return false;
    }
    size_t hashtag = pattern_hashtag_around(around->search, text, around->bytes, offset);
    return hashtag != SIZE_MAX && pattern_is_first_word(around->search->names, text, hashtag, offset);
}

static bool pattern_may_end(const struct form *form, const struct around *around, size_t offset)
{
    const char *text = around->text;
    if (form->open_tail) {
        return true;
    }
    if (form->endings.row != NULL) {
        size_t rest = pattern_letters_to_boundary(around, offset);
        const struct piece *last = &form->pieces[form->piece_count - 1];
        const char *word = last->text + last->bytes - form->endings.stem_bytes;
        return rest != SIZE_MAX && endings_fit(&form->endings, word, text + offset, rest);
    }
    if (!pattern_is_boundary(text, around->bytes, offset)) {
        return false;
    }
    return (!form->ends_word || pattern_is_break(around->search, text, around->bytes, offset)) &&
           !(form->begins_word && pattern_goes_on_as_another_word(text, around->bytes, offset));
}

// True if the pieces on one side of the anchor lie in the text from `offset` on, up to the beginning or the end of a
// word unless that end is open.
static bool pattern_lies_around(const struct form *form, const struct around *around, size_t offset)
{
    struct places places[2];
    size_t now = 0;
    places[0].count = 1;
    places[1].count = 0;
    places[0].offsets[0] = offset;
    size_t left = around->forward ? form->piece_count - 1 - form->anchor : form->anchor;
    for (size_t i = 1; i <= left && places[now].count > 0; i++, now = 1 - now) {
        size_t piece = around->forward ? form->anchor + i : form->anchor - i;
        pattern_follow(around, &form->pieces[piece], &places[now], &places[1 - now]);
    }
    for (size_t i = 0; i < places[now].count; i++) {
        size_t at = places[now].offsets[i];
        if (around->forward ? pattern_may_end(form, around, at) : pattern_may_begin(form, around, at)) {
            return true;
        }
    }
    return false;
}

bool pattern_lies_at(const struct form *form, struct pattern_search *search, size_t anchor_end)
{
    const char *text = search->reading->text;
    size_t bytes = search->reading->bytes;
    size_t anchor_start = anchor_end - form->pieces[form->anchor].bytes;
    bool hashtag = form->piece_count > 1 && !(search->exact & FOLDING_hashtags) &&
                   pattern_hashtag_around(search, text, bytes, anchor_start) != SIZE_MAX;
    struct around back = { search, text, bytes, false, hashtag, search->exact };
    struct around ahead = { search, text, bytes, true, hashtag, search->exact };
    return pattern_lies_around(form, &back, anchor_start) && pattern_lies_around(form, &ahead, anchor_end);
}
