// readings.c - the ways in which a reader may take a post's letters, written out for patterns to be looked for.
//
// A text is taken apart into letters once, each with what it is and where it stands.  A reading is then written
// letter by letter in some manner.  What cannot be told by single letters (letters spelled out, words that mix
// alphabets) is first tidied in a copy of the letters.

#include "broker/triage/readings.h"

#include "broker/triage/addresses.h"
#include "broker/triage/letters.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

#define BARRIER 0xFFFCu      // stands for what is left out; a phrase does not go across it
#define BARRIER_CHARACTERS 4 // more than a blank of a phrase stands for
#define GAP 0x200Bu          // an invisible gap, as plain_text_decode leaves it
#define OVERRIDE 0x202Eu     // from here on the text is shown from right to left
#define OVERRIDE_END 0x202Cu

// A letter's place.
#define IN_ADDRESS 1u // of an account name, link or mail address
#define STARTS 2u     // the first of such a one
#define CUT 4u        // in a hashtag: a word begins here
#define TURNED_ROUND 8u
#define IN_HASHTAG 16u
#define SPELLED 32u // the first of single letters that were joined

// What is odd in a text, and makes further readings.
#define ODD_HASHTAGS 1u
#define ODD_GAPS 2u
#define ODD_ADDRESSES 4u
#define ODD_DIGRAPHS 8u
#define ODD_KATAKANA 16u
#define ODD_STRETCHES 32u
#define ODD_LOOKALIKES 64u
#define ODD_TURNED 128u
#define ODD_SPELLED 256u
#define ODD_SIGNS 512u
#define ODD_TIDY (ODD_STRETCHES | ODD_LOOKALIKES | ODD_TURNED | ODD_SPELLED | ODD_SIGNS)

#define STRETCH 3            // this many of a letter in a row are one or two
#define SPELLED_LETTERS 3    // single letters that are a word, with signs between them,
#define SPELLED_BLANKS 4     // and with nothing but blanks
#define SPELLED_SIGNS_MAX 3  // between two of them
#define WORD_LETTERS_MAX 64  // longer words are not looked at one by one
#define WORD_SIGNS_MAX 2     // of * in a word
#define WORDS_BYTES_MAX 8192 // of words written one by one, for a text

#define PLAIN_LETTERS_MAX 256 // written at a time

// Marks on one letter beyond this many are decoration; Vietnamese, Yoruba and polytonic Greek need two or
// three, of which NFKC has joined at least one with its letter.
#define MARKS_PER_LETTER 2

struct letter {
    uint32_t code;
    uint16_t class; // LETTER_...
    uint16_t place;
};

struct letters {
    struct letter *letters;
    size_t count;
    size_t capacity;
};

struct readings {
    struct plain_text decoded;
    struct letters taken;
    struct letters tidy;
    struct letters word; // one being made
    struct plain_text text;
    struct reading readings[READINGS_MAX];
    size_t ends[READINGS_MAX]; // of the readings in `text`, with their NUL
    size_t count;
    unsigned contents;
    unsigned odd;
};

// How letters are written.
struct manner {
    unsigned exact;
    bool addresses;   // with what stands in them
    bool split;       // hashtags in words
    bool parted;      // at invisible gaps
    bool digraphs;    // ä as ae
    bool hiragana;    // for katakana
    unsigned stretch; // to which letters in a row are brought; 0: as they are
};

// ---- letters ----

static void readings_reserve(struct letters *letters, size_t more)
{
    if (letters->count + more <= letters->capacity) {
        return;
    }
    letters->capacity = 2 * (letters->count + more);
    letters->letters = realloc(letters->letters, letters->capacity * sizeof *letters->letters);
    must(letters->letters != NULL);
}

static void readings_add_letter(struct letters *letters, uint32_t code, unsigned class, unsigned place)
{
    readings_reserve(letters, 1);
    letters->letters[letters->count++] = (struct letter){ code, (uint16_t) class, (uint16_t) place };
}

static bool readings_is(const struct letters *letters, size_t at, unsigned class)
{
    return at < letters->count && (letters->letters[at].class & class) != 0;
}

static bool readings_one_of(uint32_t code, const char *signs)
{
    return code > 0 && code < 0x80 && strchr(signs, (int) code) != NULL;
}

static bool readings_is_flag(uint32_t code)
{
    return code >= 0x1F1E6 && code <= 0x1F1FF;
}

static void readings_take_text(struct letters *letters, const char *text, size_t bytes)
{
    const uint16_t *ascii_classes = letters_ascii_classes();
    unsigned round = 0;
    bool flags = false;
    letters->count = 0;
    readings_reserve(letters, bytes);
    for (size_t at = 0; at < bytes;) {
        uint32_t code = (unsigned char) text[at];
        if (code < 0x80) {
            letters->letters[letters->count++] = (struct letter){ code, ascii_classes[code], (uint16_t) round };
            at++;
            continue;
        }
        at += plain_text_character(text + at, bytes - at, &code);
        code = letters_unstyled(code);
        flags = flags || readings_is_flag(code);
        if (code == OVERRIDE || code == OVERRIDE_END) {
            round = code == OVERRIDE ? TURNED_ROUND : 0;
            continue;
        }
        letters->letters[letters->count++] = (struct letter){ code, (uint16_t) letters_class(code), (uint16_t) round };
    }
    // A flag is two signs; one alone is a letter.
    for (size_t i = 0; flags && i < letters->count; i++) {
        struct letter *letter = &letters->letters[i];
        if (readings_is_flag(letter->code) && !(i > 0 && readings_is_flag(letter[-1].code)) &&
            !(i + 1 < letters->count && readings_is_flag(letter[1].code))) {
            letter->code = 'a' + (letter->code - 0x1F1E6);
            letter->class = (uint16_t) letters_class(letter->code);
        }
    }
}

// ---- what a text is made of ----

// Marks where words begin in a hashtag from `start` on; returns true if it holds several.
static bool readings_cut_hashtag(struct readings *readings, size_t start, size_t end)
{
    struct letters *all = &readings->taken;
    size_t words = 0;
    size_t length = 0; // letters of the word so far
    size_t runs_on = 0;
    for (size_t i = start; i < end; i++) {
        bool upper = readings_is(all, i, LETTER_UPPER);
        bool letter = readings_is(all, i, LETTER_ALPHABETIC | LETTER_MARK);
        bool digit = readings_is(all, i, LETTER_DIGIT);
        bool after_letter = i > start && readings_is(all, i - 1, LETTER_ALPHABETIC | LETTER_MARK);
        bool after_upper = i > start && readings_is(all, i - 1, LETTER_UPPER);
        bool after_digit = i > start && readings_is(all, i - 1, LETTER_DIGIT);
        bool before_small =
            i + 1 < end && readings_is(all, i + 1, LETTER_ALPHABETIC) && !readings_is(all, i + 1, LETTER_UPPER);
        bool cut = (upper && after_letter && (!after_upper || before_small)) || (digit && after_letter) ||
                   (letter && after_digit);
        if (cut) {
            all->letters[i].place |= CUT;
            readings->odd |= ODD_HASHTAGS;
        }
        // A digit parts words for patterns, but #like4like says no more than #like.
        bool goes_on = letter && !upper && after_digit && words > 0;
        if ((cut || !letter) && !goes_on) {
            length = 0;
        }
        length += goes_on ? 2 : letter;
        words += length == 2 && !goes_on;
        runs_on += readings_is(all, i, LETTER_RUNS_ON);
    }
    return words >= 2 || runs_on >= 4;
}

static void readings_mark_addresses(struct readings *readings)
{
    const char *text = readings->decoded.text;
    size_t bytes = readings->decoded.bytes;
    struct letters *all = &readings->taken;
    struct address address;
    size_t at = 0;     // in the text
    size_t letter = 0; // in the letters
    static const unsigned contents[] = { READINGS_MENTIONS, READINGS_LINKS, READINGS_WORDS, READINGS_HASHTAGS };
    while (address_next(text, bytes, at, &address)) {
        size_t first = 0;
        for (; at < address.end; at++) {
            if (((unsigned char) text[at] & 0xC0) == 0x80) {
                continue;
            }
            // An override is in the text and not among the letters.
            if ((unsigned char) text[at] == 0xE2 && bytes - at >= 3 &&
                (memcmp(text + at, "\u202E", 3) == 0 || memcmp(text + at, "\u202C", 3) == 0)) {
                continue;
            }
            if (at == address.start) {
                first = letter;
            }
            if (at >= address.start) {
                all->letters[letter].place |= (uint16_t) ((address.kind == ADDRESS_HASHTAG ? IN_HASHTAG : IN_ADDRESS) |
                                                          (at == address.start ? STARTS : 0));
            }
            letter++;
        }
        bool words = address.kind == ADDRESS_HASHTAG && readings_cut_hashtag(readings, first + 1, letter);
        readings->contents |= words ? READINGS_WORDS : contents[address.kind];
        readings->odd |= address.kind == ADDRESS_HASHTAG ? 0 : ODD_ADDRESSES;
    }
}

// Tells what stands outside of addresses and hashtags.
static void readings_find_contents(struct readings *readings)
{
    const struct letters *all = &readings->taken;
    for (size_t i = 0; i < all->count; i++) {
        const struct letter *letter = &all->letters[i];
        if ((letter->place & (IN_ADDRESS | IN_HASHTAG)) != 0) {
            continue;
        }
        if (letter->class & LETTER_EMOJI) {
            readings->contents |= READINGS_EMOJI;
        } else if ((letter->class & (LETTER_WORD | LETTER_CURRENCY)) != 0 && (letter->class & LETTER_MARK) == 0) {
            readings->contents |= READINGS_WORDS;
        }
    }
}

static bool readings_same_letter(uint32_t one, uint32_t other)
{
    return one == other || letters_lower(one) == letters_lower(other);
}

static bool readings_apostrophe_at(const struct letters *all, size_t at)
{
    return at < all->count && (all->letters[at].code == '\'' || all->letters[at].code == 0x2019);
}

// True if the letter at `at` stands alone.
static bool readings_single(const struct letters *all, size_t at)
{
    return readings_is(all, at, LETTER_ALPHABETIC) && !readings_is(all, at + 1, LETTER_ALPHABETIC | LETTER_DIGIT) &&
           !readings_apostrophe_at(all, at + 1) &&
           !(at > 0 && (readings_is(all, at - 1, LETTER_WORD) || readings_apostrophe_at(all, at - 1)));
}

// A sign that is put between letters, where the script parts no words.
static bool readings_parts_letters(const struct letters *all, size_t at)
{
    uint32_t code = all->letters[at].code;
    return readings_is(all, at, LETTER_EMOJI) || code == 0x30FB || readings_one_of(code, " .*-_/");
}

// True of a digit or sign that may stand for a letter of the word around it; most signs at a word's end do not.
static bool readings_sign_for_letter(const struct letters *all, size_t at)
{
    if (letters_of_sign(all->letters[at].code) == NULL) {
        return false;
    }
    bool after = at > 0 && readings_is(all, at - 1, LETTER_ALPHABETIC);
    bool before = readings_is(all, at + 1, LETTER_ALPHABETIC);
    return (after && before) || (!readings_one_of(all->letters[at].code, "!|+*") && (after || before));
}

static bool readings_ascii_letter(uint32_t code)
{
    return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
}

// True of a blank, and of a letter a to z behind another one: nothing is odd about them.
static bool readings_usual(const struct letters *all, size_t at)
{
    uint32_t code = all->letters[at].code;
    uint32_t before = at > 0 ? all->letters[at - 1].code : 0;
    return code == ' ' ||
           (readings_ascii_letter(code) && readings_ascii_letter(before) && (code | 0x20) != (before | 0x20));
}

// What is odd about the letters at `at`.
static unsigned readings_oddity(const struct letters *all, size_t at)
{
    const struct letter *letter = &all->letters[at];
    unsigned odd = 0;
    bool after_letter = at > 0 && readings_is(all, at - 1, LETTER_ALPHABETIC);
    if (after_letter && readings_is(all, at, LETTER_ALPHABETIC) && readings_is(all, at + 1, LETTER_ALPHABETIC) &&
        readings_same_letter(letter->code, letter[-1].code) && readings_same_letter(letter->code, letter[1].code)) {
        odd |= ODD_STRETCHES;
    }
    if (readings_single(all, at) &&
        (readings_single(all, at + 2) || readings_single(all, at + 3) || readings_single(all, at + 4))) {
        odd |= ODD_SPELLED;
    }
    if (readings_sign_for_letter(all, at)) {
        odd |= ODD_SIGNS;
    }
    if (letter->code < 0x80) {
        return odd;
    }
    if (letters_digraph(letters_lower(letter->code)) != NULL) {
        odd |= ODD_DIGRAPHS;
    }
    if (letter->class & LETTER_KATAKANA) {
        odd |= ODD_KATAKANA;
    }
    if (letters_lookalike(letter->code) != 0) {
        odd |= ODD_LOOKALIKES;
    }
    if (letters_turned(letter->code) != 0) {
        odd |= ODD_TURNED;
    }
    if ((letter->class & LETTER_EMOJI) && after_letter && readings_is(all, at + 1, LETTER_ALPHABETIC | LETTER_EMOJI)) {
        odd |= ODD_SPELLED;
    }
    if ((letter->class & LETTER_RUNS_ON) && readings_is(all, at + 2, LETTER_RUNS_ON) &&
        readings_parts_letters(all, at + 1)) {
        odd |= ODD_SPELLED;
    }
    if (letter->code == GAP) {
        odd |= ODD_GAPS;
    }
    return odd;
}

static void readings_find_odd(struct readings *readings)
{
    const struct letters *all = &readings->taken;
    for (size_t i = 0; i < all->count; i++) {
        if (all->letters[i].place & TURNED_ROUND) {
            readings->odd |= ODD_TURNED;
        }
        if ((all->letters[i].place & IN_ADDRESS) == 0 && !readings_usual(all, i)) {
            readings->odd |= readings_oddity(all, i);
        }
    }
}

// ---- writing ----

static void readings_write_barrier(struct plain_text *out)
{
    for (int i = 0; i < BARRIER_CHARACTERS; i++) {
        plain_text_append(out, BARRIER);
    }
}

// Marks that strike a letter through or ring it; no language spells with them.
static bool readings_overlay(uint32_t code)
{
    return (code >= 0x334 && code <= 0x338) || (code >= 0x20D0 && code <= 0x20F0);
}

// A small letter with its accents, but for what is decoration; `marks` counts those on the letter before.
static void readings_write_exact(struct plain_text *out, const struct letter *letter, uint32_t code,
                                 const struct letter *before, unsigned *marks)
{
    if ((letter->class & LETTER_MARK) == 0) {
        *marks = 0;
    } else if (readings_overlay(code) || (code == 0x307 && before != NULL && (before->code | 0x20) == 'i') ||
               ((letter->class & LETTER_LOOSE) != 0 && ++*marks > MARKS_PER_LETTER)) {
        return;
    }
    plain_text_append(out, code);
}

static void readings_write_loose(struct plain_text *out, const struct letter *letter, uint32_t code,
                                 const struct manner *manner)
{
    if ((letter->class & LETTER_LOOSE) != 0 || code == 0x640) { // Arabic tatweel
        return;
    }
    const char *two = manner->digraphs || code == 0xE6 || code == 0x153 || code == 0xFE ? letters_digraph(code) : NULL;
    if (two != NULL) {
        plain_text_append(out, (uint32_t) two[0]);
        plain_text_append(out, (uint32_t) two[1]);
        return;
    }
    plain_text_append(out, letters_base(code));
}

static void readings_write_letter(struct plain_text *out, const struct letter *letter, const struct letter *before,
                                  const struct manner *manner, unsigned *marks)
{
    uint32_t code = letter->code;
    if (code < 0x80) {
        *marks = 0;
        plain_text_append(out, code >= 'A' && code <= 'Z' ? code | 0x20 : code);
        return;
    }
    code = code == 0x130 ? 'i' : letters_lower(code); // Turkish capital dotted i
    if (manner->hiragana) {
        code = letters_hiragana(code);
    }
    if (code == 0xDF) { // full case folding, in any manner
        plain_text_append(out, 's');
        plain_text_append(out, 's');
    } else if (manner->exact & FOLDING_accents) {
        readings_write_exact(out, letter, code, before, marks);
    } else {
        readings_write_loose(out, letter, code, manner);
    }
}

// No word goes from one kana to the other: ウケがいい has no けが in it.
static bool readings_changes_kana(unsigned before, unsigned class)
{
    return ((before & LETTER_KATAKANA) != 0 && (class & LETTER_HIRAGANA) != 0) ||
           ((before & LETTER_HIRAGANA) != 0 && (class & LETTER_KATAKANA) != 0);
}

// True of a nasal that Devanagari also writes as anusvara before another consonant: हिन्दी, हिंदी.
static bool readings_is_anusvara(const struct letters *all, size_t at)
{
    uint32_t code = all->letters[at].code;
    if (code != 0x919 && code != 0x91E && code != 0x923 && code != 0x928 && code != 0x92E) {
        return false;
    }
    if (at + 2 >= all->count || all->letters[at + 1].code != 0x94D) {
        return false;
    }
    uint32_t next = all->letters[at + 2].code;
    return next >= 0x915 && next <= 0x939 && next != code;
}

// How many of the same letter follow one another from `at` on.
static size_t readings_stretch_at(const struct letters *all, size_t at)
{
    size_t end = at + 1;
    if (!readings_is(all, at, LETTER_ALPHABETIC)) {
        return 1;
    }
    while (end < all->count && readings_same_letter(all->letters[at].code, all->letters[end].code)) {
        end++;
    }
    return end - at;
}

// Writes the letters from `at` on that any manner but of stretches writes alike: ASCII, outside of addresses and within
// a word of a hashtag.  Returns how many these are, of a long run some.
static size_t readings_write_plain(struct plain_text *out, const struct letters *all, size_t at)
{
    char small[PLAIN_LETTERS_MAX];
    size_t count = 0;
    for (; count < sizeof small && at + count < all->count; count++) {
        const struct letter *letter = &all->letters[at + count];
        if (letter->code >= 0x80 || (letter->place & (IN_ADDRESS | CUT)) != 0) {
            break;
        }
        small[count] = (char) (letter->code >= 'A' && letter->code <= 'Z' ? letter->code | 0x20 : letter->code);
    }
    if (count > 0) {
        plain_text_append_bytes(out, small, count);
    }
    return count;
}

static void readings_write_letters(struct plain_text *out, const struct letters *all, const struct manner *manner)
{
    unsigned marks = 0;
    for (size_t i = 0; i < all->count; i++) {
        size_t plain = manner->stretch == 0 ? readings_write_plain(out, all, i) : 0;
        if (plain > 0) {
            marks = 0;
            i += plain - 1;
            continue;
        }
        const struct letter *letter = &all->letters[i];
        if ((letter->place & IN_ADDRESS) != 0 && !manner->addresses && !(manner->exact & FOLDING_addresses)) {
            if (letter->place & STARTS) {
                readings_write_barrier(out);
            }
            continue;
        }
        if (letter->code == GAP) {
            if (manner->parted) {
                plain_text_append(out, ' ');
            }
            continue;
        }
        if ((letter->place & CUT) != 0 && manner->split) {
            plain_text_append(out, ' ');
        }
        if (manner->hiragana && i > 0 && readings_changes_kana(letter[-1].class, letter->class)) {
            plain_text_append(out, BARRIER);
        }
        if (!(manner->exact & FOLDING_accents) && readings_is_anusvara(all, i)) {
            plain_text_append(out, 0x902);
            i++;
            continue;
        }
        size_t stretch = manner->stretch > 0 ? readings_stretch_at(all, i) : 1;
        for (unsigned n = stretch >= STRETCH ? manner->stretch : 1; n > 0; n--) {
            readings_write_letter(out, letter, i > 0 ? letter - 1 : NULL, manner, &marks);
        }
        i += stretch >= STRETCH ? stretch - 1 : 0;
    }
}

static void readings_begin(struct readings *readings, bool addresses, bool hiragana, bool loose)
{
    must(readings->count < READINGS_MAX);
    readings->readings[readings->count] =
        (struct reading){ .addresses = addresses, .hiragana = hiragana, .loose = loose };
}

static void readings_end(struct readings *readings)
{
    size_t start = readings->count > 0 ? readings->ends[readings->count - 1] : 0;
    struct reading *reading = &readings->readings[readings->count];
    reading->bytes = readings->text.bytes - start;
    plain_text_append(&readings->text, 0);
    readings->ends[readings->count++] = readings->text.bytes;
}

static void write_reading(struct readings *readings, const struct letters *all, struct manner manner)
{
    readings_begin(readings, manner.addresses, manner.hiragana, false);
    readings_write_letters(&readings->text, all, &manner);
    readings_end(readings);
}

// ---- tidying ----

// Copies the letters taken with their hashtags in words, without invisible gaps, and without what is in addresses.
static void readings_copy_letters(struct readings *readings, unsigned exact)
{
    struct letters *tidy = &readings->tidy;
    tidy->count = 0;
    readings_reserve(tidy, readings->taken.count);
    for (size_t i = 0; i < readings->taken.count; i++) {
        const struct letter *letter = &readings->taken.letters[i];
        if ((letter->place & IN_ADDRESS) != 0 && !(exact & FOLDING_addresses)) {
            if (letter->place & STARTS) {
                for (int n = 0; n < BARRIER_CHARACTERS; n++) {
                    readings_add_letter(tidy, BARRIER, 0, 0);
                }
            }
            continue;
        }
        if (letter->code == GAP) {
            continue;
        }
        if ((letter->place & CUT) != 0 && !(exact & FOLDING_hashtags)) {
            readings_add_letter(tidy, ' ', 0, 0);
        }
        readings_add_letter(tidy, letter->code, letter->class, letter->place & TURNED_ROUND);
    }
}

// Where a letter with its marks ends.
static size_t readings_after_marks(const struct letters *all, size_t at)
{
    at++;
    while (readings_is(all, at, LETTER_MARK)) {
        at++;
    }
    return at;
}

// The end of a run of single letters that begins at `at`, with signs or blanks between them, or `at` if it is none.
static size_t readings_spelled_end(const struct letters *all, size_t at)
{
    if (!readings_is(all, at, LETTER_ALPHABETIC) ||
        (at > 0 && (readings_is(all, at - 1, LETTER_WORD) || readings_apostrophe_at(all, at - 1)))) {
        return at;
    }
    size_t end = readings_after_marks(all, at);
    size_t count = 1;
    bool signs = false;
    bool latin = readings_is(all, at, LETTER_LATIN);
    while (!readings_is(all, end, LETTER_WORD)) {
        size_t next = end;
        bool sign = false;
        while (next < all->count && next - end < SPELLED_SIGNS_MAX && !readings_is(all, next, LETTER_WORD) &&
               all->letters[next].code != BARRIER && !readings_apostrophe_at(all, next)) {
            sign = sign || all->letters[next].code != ' ';
            next++;
        }
        if (next == end || !readings_is(all, next, LETTER_ALPHABETIC)) {
            break;
        }
        size_t after = readings_after_marks(all, next);
        if (readings_is(all, after, LETTER_WORD)) {
            break;
        }
        signs = signs || sign;
        end = after;
        count++;
    }
    return count >= (signs || !latin ? SPELLED_LETTERS : SPELLED_BLANKS) ? end : at;
}

// How many signs at `at` stand between letters that belong together: emoji inside a word, and what parts letters of a
// script that parts no words.
static size_t readings_signs_inside(const struct letters *all, size_t at)
{
    if (at == 0 || readings_is(all, at, LETTER_WORD)) {
        return 0;
    }
    size_t end = at;
    bool emoji = true;
    while (end < all->count && end - at < SPELLED_SIGNS_MAX && !readings_is(all, end, LETTER_WORD)) {
        emoji = emoji && readings_is(all, end, LETTER_EMOJI);
        if (!readings_parts_letters(all, end)) {
            return 0;
        }
        end++;
    }
    bool run_on = readings_is(all, at - 1, LETTER_RUNS_ON) && readings_is(all, end, LETTER_RUNS_ON);
    bool word =
        emoji && readings_is(all, at - 1, LETTER_ALPHABETIC | LETTER_MARK) && readings_is(all, end, LETTER_ALPHABETIC);
    return run_on || word ? end - at : 0;
}

static void readings_join_letters(struct letters *all)
{
    size_t to = 0;
    size_t spelled = 0; // up to where single letters are joined
    for (size_t at = 0; at < all->count;) {
        if (at >= spelled) {
            spelled = readings_spelled_end(all, at);
            all->letters[at].place |= spelled > at ? SPELLED : 0;
        }
        size_t inside = at < spelled ? !readings_is(all, at, LETTER_WORD) : readings_signs_inside(all, at);
        if (inside > 0) {
            at += inside;
            continue;
        }
        // What was joined is not looked at again: `to` never passes `at`, and what lies behind `at` is as it was.
        all->letters[to++] = all->letters[at++];
    }
    all->count = to;
}

// The end of the word at `at`.
static size_t readings_word_end(const struct letters *all, size_t at, bool with_signs)
{
    while (readings_is(all, at, LETTER_WORD) ||
           (with_signs && at < all->count && letters_of_sign(all->letters[at].code) != NULL)) {
        at++;
    }
    return at;
}

// Letters of a word that look like Latin ones, and those that are Latin, of those that are neither mark nor digit.
static void readings_count_alphabets(const struct letters *all, size_t at, size_t end, size_t *alike, size_t *latin,
                                     size_t *other)
{
    *alike = *latin = *other = 0;
    for (; at < end; at++) {
        if (!readings_is(all, at, LETTER_ALPHABETIC)) {
            continue;
        }
        if (all->letters[at].code < 0x80) {
            ++*latin;
        } else if (letters_lookalike(all->letters[at].code) != 0) {
            ++*alike;
        } else if (readings_is(all, at, LETTER_LATIN)) {
            ++*latin;
        } else {
            ++*other;
        }
    }
}

// True if the text is in Latin letters, and all its words of another alphabet are made of letters that look Latin.
static bool readings_all_alike(const struct letters *all)
{
    bool any_latin = false;
    for (size_t at = 0; at < all->count; at++) {
        size_t end = readings_word_end(all, at, false);
        size_t alike, latin, other;
        readings_count_alphabets(all, at, end, &alike, &latin, &other);
        if (other > 0) {
            return false;
        }
        any_latin = any_latin || latin > 0;
        at = end;
    }
    return any_latin;
}

static void readings_read_lookalikes(struct letters *all)
{
    bool whole_words = readings_all_alike(all);
    for (size_t at = 0; at < all->count; at++) {
        size_t end = readings_word_end(all, at, false);
        size_t alike, latin, other;
        readings_count_alphabets(all, at, end, &alike, &latin, &other);
        bool mixed = alike > 0 && (latin > 0 || (whole_words && other == 0));
        for (; at < end; at++) {
            struct letter *letter = &all->letters[at];
            // A capital that looks like a Latin one is told as such, before it is made small.  A letter that is
            // upside down is read as what it is then, and not as what it looks like.
            bool plain = letter->code < 0x80 || letters_turned(letter->code) != 0;
            char like = mixed && !plain ? letters_lookalike(letter->code) : 0;
            if (like != 0) {
                *letter = (struct letter){ (uint32_t) like, (uint16_t) letters_class((uint32_t) like), letter->place };
            }
        }
    }
}

// ---- words written one by one ----

static void readings_write_word(struct readings *readings, unsigned exact, unsigned stretch)
{
    struct manner manner = { .exact = exact, .stretch = stretch };
    readings_write_barrier(&readings->text);
    readings_write_letters(&readings->text, &readings->word, &manner);
    readings_write_barrier(&readings->text);
}

static void readings_take_word(struct readings *readings, size_t at, size_t end)
{
    readings->word.count = 0;
    for (; at < end; at++) {
        readings_add_letter(&readings->word, readings->tidy.letters[at].code, readings->tidy.letters[at].class, 0);
    }
}

// What follows "a" or "I", where these were spelled as well: a l a w y e r.
static void readings_write_without_first(struct readings *readings, size_t at, size_t end, unsigned exact)
{
    uint32_t first = letters_lower(readings->tidy.letters[at].code);
    if ((readings->tidy.letters[at].place & SPELLED) == 0 || (first != 'a' && first != 'i')) {
        return;
    }
    readings_take_word(readings, at + 1, end);
    readings_write_word(readings, exact, 0);
}

// A word turned upside down: from its end, each letter the one that it is upside down.
static void readings_write_turned(struct readings *readings, size_t at, size_t end, unsigned exact)
{
    const struct letter *letters = readings->tidy.letters;
    size_t turned = 0;
    readings->word.count = 0;
    for (size_t i = end; i-- > at;) {
        char letter = letters_turned(letters_lower(letters[i].code));
        turned += letter != 0;
        letter = letter != 0 ? letter : letters_turned_too(letters_lower(letters[i].code));
        if (letter == 0) {
            return;
        }
        readings_add_letter(&readings->word, (uint32_t) letter, letters_class((uint32_t) letter), 0);
    }
    if (turned >= 2) {
        readings_write_word(readings, exact, 0);
    }
}

// Each stretch of a word brought to one or two, in all ways in which these are mixed.
static void readings_write_stretches(struct readings *readings, size_t at, size_t end, unsigned exact)
{
    size_t starts[4];
    size_t count = 0;
    readings_take_word(readings, at, end);
    for (size_t i = 0; i < readings->word.count && count < 4; i += readings_stretch_at(&readings->word, i)) {
        if (readings_stretch_at(&readings->word, i) >= STRETCH) {
            starts[count++] = at + i;
        }
    }
    if (count < 2) {
        return;
    }
    for (unsigned choice = 1; choice + 1 < 1u << count; choice++) {
        readings->word.count = 0;
        size_t next = 0;
        for (size_t i = at; i < end;) {
            const struct letter *letter = &readings->tidy.letters[i];
            size_t length = readings_stretch_at(&readings->tidy, i);
            size_t copies = 1;
            if (next < count && starts[next] == i) {
                copies = choice >> next++ & 1 ? 2 : 1;
            } else {
                length = 1;
            }
            while (copies-- > 0) {
                readings_add_letter(&readings->word, letter->code, letter->class, 0);
            }
            i += length;
        }
        readings_write_word(readings, exact, 0);
    }
}

// Writes a word with signs for letters in every way in which its first few can be read.
static void readings_write_signs(struct readings *readings, size_t at, size_t end, unsigned exact)
{
    size_t letters = 0;
    size_t signs = 0;
    size_t stars = 0;
    while (at < end && readings_one_of(readings->tidy.letters[at].code, "!|+*")) {
        at++;
    }
    while (end > at && readings_one_of(readings->tidy.letters[end - 1].code, "!|+*")) {
        end--;
    }
    for (size_t i = at; i < end; i++) {
        uint32_t code = readings->tidy.letters[i].code;
        const char *read = letters_of_sign(code);
        letters += read == NULL;
        signs += read != NULL;
        stars += code == '*';
        if (read == NULL && !(code < 0x80 && readings_is(&readings->tidy, i, LETTER_ALPHABETIC))) {
            return;
        }
    }
    if (signs == 0 || letters < 3 || signs > letters || stars > WORD_SIGNS_MAX) {
        return;
    }
    for (unsigned choice = 0; choice < 25; choice++) {
        unsigned left = choice;
        readings->word.count = 0;
        for (size_t i = at; i < end; i++) {
            uint32_t code = readings->tidy.letters[i].code;
            const char *read = letters_of_sign(code);
            if (read != NULL) {
                size_t ways = strlen(read);
                code = (uint32_t) (unsigned char) read[left % ways];
                left /= (unsigned) ways;
            }
            readings_add_letter(&readings->word, code, letters_class(code), 0);
        }
        if (left > 0) {
            break;
        }
        readings_write_word(readings, exact, 1);
    }
}

// Text that an override shows from right to left, turned round.
static void readings_write_turned_round(struct readings *readings, unsigned exact)
{
    const struct letters *all = &readings->tidy;
    for (size_t at = 0; at < all->count; at++) {
        size_t end = at;
        while (end < all->count && (all->letters[end].place & TURNED_ROUND) != 0 && end - at < WORDS_BYTES_MAX / 4) {
            end++;
        }
        if (end <= at + 1) {
            continue;
        }
        readings->word.count = 0;
        for (size_t i = end; i-- > at;) {
            readings_add_letter(&readings->word, all->letters[i].code, all->letters[i].class, 0);
        }
        readings_write_word(readings, exact, 0);
        at = end;
        if (readings->text.bytes > readings->ends[readings->count - 1] + WORDS_BYTES_MAX) {
            return;
        }
    }
}

static void readings_write_words(struct readings *readings, unsigned odd, unsigned exact)
{
    const struct letters *all = &readings->tidy;
    readings_begin(readings, false, false, true);
    if ((odd & ODD_TURNED) && !(exact & FOLDING_lookalikes)) {
        readings_write_turned_round(readings, exact);
    }
    for (size_t at = 0; at < all->count; at++) {
        size_t end = readings_word_end(all, at, true);
        if (end > at + 2 && end - at <= WORD_LETTERS_MAX) {
            readings_write_without_first(readings, at, end, exact);
            if ((odd & ODD_TURNED) && !(exact & FOLDING_lookalikes)) {
                readings_write_turned(readings, at, end, exact);
            }
            if ((odd & ODD_STRETCHES) && !(exact & FOLDING_stretches)) {
                readings_write_stretches(readings, at, end, exact);
            }
            if ((odd & ODD_SIGNS) && !(exact & FOLDING_signs)) {
                readings_write_signs(readings, at, end, exact);
            }
        }
        at = end;
        if (readings->text.bytes > readings->ends[readings->count - 1] + WORDS_BYTES_MAX) {
            break;
        }
    }
    readings_end(readings);
}

// ---- outside ----

struct readings *readings_new(void)
{
    struct readings *readings = calloc(1, sizeof *readings);
    must(readings != NULL);
    letters_prepare();
    return readings;
}

void readings_destroy(struct readings **readings_p)
{
    struct readings *readings = *readings_p;
    if (readings == NULL) {
        return;
    }
    plain_text_fini(&readings->decoded);
    plain_text_fini(&readings->text);
    free(readings->taken.letters);
    free(readings->tidy.letters);
    free(readings->word.letters);
    free(readings);
    *readings_p = NULL;
}

void readings_take(struct readings *readings, const char *text, size_t text_bytes)
{
    readings->contents = 0;
    readings->odd = 0;
    plain_text_decode(&readings->decoded, text, text_bytes, true);
    readings_take_text(&readings->taken, readings->decoded.text, readings->decoded.bytes);
    readings_mark_addresses(readings);
    readings_find_contents(readings);
    readings_find_odd(readings);
}

unsigned readings_contents(const struct readings *readings)
{
    return readings->contents;
}

bool readings_empty(const struct readings *readings)
{
    for (size_t i = 0; i < readings->taken.count; i++) {
        if (readings->taken.letters[i].code != GAP && readings->taken.letters[i].code != ' ') {
            return false;
        }
    }
    return true;
}

const struct reading *readings_write(struct readings *readings, unsigned exact, size_t *count)
{
    unsigned odd = readings->odd;
    const struct letters *taken = &readings->taken;
    bool split = !(exact & FOLDING_hashtags);
    readings->count = 0;
    plain_text_clear(&readings->text);
    write_reading(readings, taken, (struct manner){ .exact = exact });
    if ((odd & ODD_HASHTAGS) && split) {
        write_reading(readings, taken, (struct manner){ .exact = exact, .split = true });
    }
    if ((odd & ODD_GAPS) && !(exact & FOLDING_gaps)) {
        write_reading(readings, taken, (struct manner){ .exact = exact, .split = split, .parted = true });
    }
    if ((odd & ODD_DIGRAPHS) && !(exact & FOLDING_accents)) {
        write_reading(readings, taken, (struct manner){ .exact = exact, .split = split, .digraphs = true });
    }
    if ((odd & ODD_KATAKANA) && !(exact & FOLDING_kana)) {
        write_reading(readings, taken, (struct manner){ .exact = exact, .split = split, .hiragana = true });
    }
    if ((odd & ODD_ADDRESSES) && !(exact & FOLDING_addresses)) {
        write_reading(readings, taken, (struct manner){ .exact = exact, .addresses = true });
    }
    if (odd & ODD_TIDY) {
        readings_copy_letters(readings, exact);
        if ((odd & ODD_SPELLED) && !(exact & FOLDING_spelling)) {
            readings_join_letters(&readings->tidy);
        }
        if ((odd & ODD_LOOKALIKES) && !(exact & FOLDING_lookalikes)) {
            readings_read_lookalikes(&readings->tidy);
        }
        bool stretched = (odd & ODD_STRETCHES) != 0 && !(exact & FOLDING_stretches);
        write_reading(readings, &readings->tidy, (struct manner){ .exact = exact, .stretch = stretched ? 1 : 0 });
        if (stretched) {
            write_reading(readings, &readings->tidy, (struct manner){ .exact = exact, .stretch = 2 });
        }
        if (odd & (ODD_TURNED | ODD_STRETCHES | ODD_SIGNS | ODD_SPELLED)) {
            readings_write_words(readings, odd, exact);
        }
    }
    size_t start = 0;
    for (size_t i = 0; i < readings->count; i++) {
        readings->readings[i].text = readings->text.text + start;
        start = readings->ends[i];
    }
    *count = readings->count;
    return readings->readings;
}

void readings_write_pattern(struct plain_text *form, const char *text, size_t bytes, enum pattern_form which,
                            unsigned exact)
{
    struct plain_text decoded = { 0 };
    struct letters letters = { 0 };
    struct manner manner = { .exact = exact, .addresses = true };
    plain_text_decode(&decoded, text, bytes, false);
    readings_take_text(&letters, decoded.text, decoded.bytes);
    manner.digraphs = which == PATTERN_DIGRAPHS;
    manner.hiragana = which == PATTERN_HIRAGANA;
    if (which == PATTERN_LOOKALIKES) {
        for (size_t i = 0; i < letters.count; i++) {
            char like = letters.letters[i].code >= 0x80 ? letters_lookalike(letters.letters[i].code) : 0;
            if (like != 0) {
                letters.letters[i] = (struct letter){ (uint32_t) like, (uint16_t) letters_class((uint32_t) like), 0 };
            }
        }
    }
    plain_text_clear(form);
    readings_write_letters(form, &letters, &manner);
    plain_text_fini(&decoded);
    free(letters.letters);
}
