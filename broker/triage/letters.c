// letters.c - what single characters are, and which of them are one letter to a reader.
//
// The tables hold the characters of the first planes, where letters and emoji are; the others are asked for one by one.
// They are built once, from ICU, and never changed.

#include "broker/triage/letters.h"

#include "proto/base/must.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#define PLANE 0x10000
#define CLASSES 0x20000 // with emoji

static uint16_t letters_classes[CLASSES];
static uint16_t letters_lowers[PLANE];
static uint16_t letters_bases[PLANE];
static char letters_lookalikes[PLANE];
static char turned[PLANE];
static uint16_t unstyled[PLANE];
static pthread_once_t letters_built = PTHREAD_ONCE_INIT;

// ---- classes ----

static bool letters_within(uint32_t code, uint32_t first, uint32_t last)
{
    return code >= first && code <= last;
}

// Marks that people leave out: those of all scripts (accents), the points of Hebrew and Arabic, Syriac's, and
// nukta, which has its own combining class.  Vowel signs of Indic scripts and the voicing of kana are letters.
static bool letters_is_loose_mark(uint32_t code)
{
    return letters_within(code, 0x300, 0x36F) || letters_within(code, 0x483, 0x489) ||
           letters_within(code, 0x591, 0x5C7) || letters_within(code, 0x610, 0x61A) ||
           letters_within(code, 0x64B, 0x65F) || code == 0x670 || letters_within(code, 0x6D6, 0x6ED) ||
           letters_within(code, 0x730, 0x74A) || letters_within(code, 0x1AB0, 0x1AFF) ||
           letters_within(code, 0x1DC0, 0x1DFF) || letters_within(code, 0x20D0, 0x20FF) ||
           letters_within(code, 0xFE20, 0xFE2F) || u_getCombiningClass((UChar32) code) == 7;
}

// Scripts whose words are not parted by blanks.  U+3000 to U+30FF holds signs that kana share.
static unsigned letters_script_class(uint32_t code)
{
    UErrorCode error = U_ZERO_ERROR;
    switch (uscript_getScript((UChar32) code, &error)) {
    case USCRIPT_LATIN:
        return LETTER_LATIN;
    case USCRIPT_HAN:
        return LETTER_RUNS_ON | LETTER_HAN;
    case USCRIPT_HIRAGANA:
        return LETTER_RUNS_ON | LETTER_HIRAGANA;
    case USCRIPT_KATAKANA:
        return LETTER_RUNS_ON | LETTER_KATAKANA;
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
        return LETTER_RUNS_ON;
    default:
        return letters_within(code, 0x3000, 0x30FF) ? LETTER_RUNS_ON : 0;
    }
}

static unsigned letters_find_class(uint32_t code)
{
    uint32_t mask = U_GET_GC_MASK((UChar32) code);
    unsigned class = letters_script_class(code);
    if (mask & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK)) {
        class |= LETTER_WORD;
    }
    if (mask & U_GC_L_MASK) {
        class |= LETTER_ALPHABETIC;
    }
    if (mask & (U_GC_LU_MASK | U_GC_LT_MASK)) {
        class |= LETTER_UPPER;
    }
    if (mask & U_GC_ND_MASK) {
        class |= LETTER_DIGIT;
    }
    if (mask & U_GC_M_MASK) {
        class |= LETTER_MARK;
    }
    if ((mask & U_GC_M_MASK) && letters_is_loose_mark(code)) {
        class |= LETTER_LOOSE;
    }
    if (mask & U_GC_SC_MASK) {
        class |= LETTER_CURRENCY;
    }
    if (code > 0xFF && (u_hasBinaryProperty((UChar32) code, UCHAR_EMOJI) ||
                        u_hasBinaryProperty((UChar32) code, UCHAR_EMOJI_COMPONENT))) {
        class |= LETTER_EMOJI;
    }
    if (code == 0x2800 || u_hasBinaryProperty((UChar32) code, UCHAR_WHITE_SPACE)) {
        class |= LETTER_BLANK;
    } else if (code < 0x20 || letters_within(code, 0x7F, 0x9F) || letters_within(code, 0xFFF9, 0xFFFB) ||
               u_hasBinaryProperty((UChar32) code, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) {
        class |= LETTER_HIDDEN;
    }
    return class;
}

// ---- letters without what stands on them ----

// Letters that no decomposition takes apart, and those that are written for one another.
static uint32_t letters_odd_base(uint32_t code)
{
    static const uint16_t pairs[][2] = {
        { 0x131, 'i' },   // Turkish dotless i
        { 0xF0, 'd' },    // eth
        { 0x14B, 'n' },   // eng
        { 0x259, 'e' },   // Azerbaijani schwa
        { 0x138, 'k' },   // kra
        { 0x671, 0x627 }, // Arabic: alef wasla
        { 0x649, 0x64A }, // alef maksura, yeh
        { 0x6CC, 0x64A }, // Farsi yeh
        { 0x6D2, 0x64A }, // yeh barree
        { 0x629, 0x647 }, // teh marbuta, heh
        { 0x6BE, 0x647 }, // heh doachashmee
        { 0x6C1, 0x647 }, // heh goal
        { 0x6D5, 0x647 }, // ae
        { 0x6A9, 0x643 }, // keheh, kaf
        { 0x5DA, 0x5DB }, // Hebrew: final letters
        { 0x5DD, 0x5DE }, //
        { 0x5DF, 0x5E0 }, //
        { 0x5E3, 0x5E4 }, //
        { 0x5E5, 0x5E6 }, //
        { 0x901, 0x902 }, // Devanagari: candrabindu, anusvara
        { 0x3C2, 0x3C3 }, // Greek final sigma
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i][0] == code) {
            return pairs[i][1];
        }
    }
    return code;
}

// True of letters with a mark that nobody leaves out.
static bool letters_own(uint32_t code)
{
    return code == 0x439 || code == 0x45E || code == 0x457; // Cyrillic short i and u, Ukrainian yi
}

static uint32_t letters_find_base(const UNormalizer2 *decomposer, uint32_t code)
{
    UChar parts[32];
    UErrorCode error = U_ZERO_ERROR;
    if (letters_own(code)) {
        return code;
    }
    int32_t length = unorm2_getDecomposition(decomposer, (UChar32) code, parts, 32, &error);
    if (length <= 0 || U_FAILURE(error) || letters_within(code, 0xAC00, 0xD7A3)) {
        return letters_odd_base(code);
    }
    UChar32 codes[32];
    int32_t count = 0;
    u_strToUTF32(codes, 32, &count, parts, length, &error);
    for (int32_t i = 1; i < count; i++) {
        if (!letters_is_loose_mark((uint32_t) codes[i])) {
            return code;
        }
    }
    return codes[0] < PLANE ? letters_odd_base((uint32_t) codes[0]) : code;
}

// ---- letters by their names ----

// The letter at the end of a name, or before " WITH ": x of "LATIN SMALL LETTER X WITH STROKE".  0 if the name begins
// otherwise.
static char letter_in_name(const char *name, const char *begins, bool with)
{
    size_t bytes = strlen(begins);
    if (strncmp(name, begins, bytes) != 0 || name[bytes] < 'A' || name[bytes] > 'Z') {
        return 0;
    }
    const char *rest = name + bytes + 1;
    bool good = with ? strncmp(rest, " WITH ", 6) == 0 : rest[0] == '\0';
    return good ? (char) (name[bytes] | 0x20) : 0;
}

static void letters_read_names(uint32_t first, uint32_t last)
{
    for (uint32_t code = first; code <= last; code++) {
        char name[128] = "";
        UErrorCode error = U_ZERO_ERROR;
        u_charName((UChar32) code, U_UNICODE_CHAR_NAME, name, sizeof name, &error);
        char with = letter_in_name(name, "LATIN SMALL LETTER ", true);
        char small_capital = letter_in_name(name, "LATIN LETTER SMALL CAPITAL ", false);
        char upside_down = letter_in_name(name, "LATIN SMALL LETTER TURNED ", false);
        if (with != 0 && letters_bases[code] == code) {
            letters_bases[code] = (uint16_t) with;
        }
        if (small_capital != 0) {
            unstyled[code] = (uint16_t) small_capital;
        }
        if (upside_down != 0) {
            turned[code] = upside_down;
        }
    }
}

// ---- letters that look alike ----

static uint32_t letters_skeleton_of(const USpoofChecker *checker, uint32_t code)
{
    UChar one[2];
    UChar skeleton[8];
    int32_t bytes = 0;
    UErrorCode error = U_ZERO_ERROR;
    U16_APPEND_UNSAFE(one, bytes, code);
    int32_t length = uspoof_getSkeleton(checker, 0, one, bytes, skeleton, 8, &error);
    if (U_FAILURE(error) || length != 1) {
        return 0;
    }
    uint32_t letter = unstyled[skeleton[0]] != 0 ? unstyled[skeleton[0]] : skeleton[0];
    letter = letters_lower(letter);
    return letter >= 'a' && letter <= 'z' ? letter : 0;
}

// Of capitals: that which looks like it as a capital, unless the small ones tell better (I and l are one skeleton).
static void letters_find_lookalikes(uint32_t first, uint32_t last)
{
    UErrorCode error = U_ZERO_ERROR;
    USpoofChecker *checker = uspoof_open(&error);
    must(U_SUCCESS(error));
    for (uint32_t code = first; code <= last; code++) {
        if ((letters_classes[code] & LETTER_ALPHABETIC) == 0 || (letters_classes[code] & LETTER_RUNS_ON) != 0) {
            continue;
        }
        uint32_t letter = letters_skeleton_of(checker, code);
        if (letter == 'l' && letters_skeleton_of(checker, letters_lower(code)) == 'i') {
            letter = 'i';
        }
        letters_lookalikes[code] = (char) letter;
    }
    uspoof_close(checker);
}

static void letters_build(void)
{
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *decomposer = unorm2_getNFDInstance(&error);
    must(U_SUCCESS(error));
    for (uint32_t code = 0; code < CLASSES; code++) {
        letters_classes[code] = (uint16_t) letters_find_class(code);
    }
    for (uint32_t code = 0; code < PLANE; code++) {
        // Cherokee would fold to its capitals.
        letters_lowers[code] =
            (uint16_t) (letters_within(code, 0x13A0, 0x13FF) ? (UChar32) code : u_foldCase((UChar32) code, 0));
        letters_bases[code] = (uint16_t) letters_find_base(decomposer, code);
    }
    letters_read_names(0xDF, 0x2AF);
    letters_read_names(0x1D00, 0x1DBF);
    letters_read_names(0x2C60, 0x2C7F);
    letters_read_names(0xA720, 0xA7FF);
    turned[0x254] = 'c'; // open o
    turned[0x1DD] = 'e';
    turned[0x25F] = 'f'; // dotless j with stroke
    turned[0x183] = 'g'; // b with topbar
    turned[0x27E] = 'j';
    turned[0x5DF] = 'l'; // Hebrew final nun
    letters_find_lookalikes(0x250, 0x2FFF);
    letters_find_lookalikes(0xA4D0, 0xA4FF);
    letters_find_lookalikes(0xA640, 0xAB6F);
    for (uint32_t code = 'a'; code <= 'z'; code++) {
        letters_bases[code] = (uint16_t) code;
    }
}

void letters_prepare(void)
{
    pthread_once(&letters_built, letters_build);
}

unsigned letters_class(uint32_t code)
{
    return code < CLASSES ? letters_classes[code] : letters_find_class(code);
}

const uint16_t *letters_ascii_classes(void)
{
    return letters_classes;
}

uint32_t letters_lower(uint32_t code)
{
    return code < PLANE ? letters_lowers[code] : (uint32_t) u_foldCase((UChar32) code, U_FOLD_CASE_DEFAULT);
}

uint32_t letters_unstyled(uint32_t code)
{
    if (code < PLANE) {
        return unstyled[code] != 0 ? unstyled[code] : code;
    }
    if (letters_within(code, 0x1F130, 0x1F149) || letters_within(code, 0x1F150, 0x1F169) ||
        letters_within(code, 0x1F170, 0x1F189)) {
        return 'a' + (code - 0x1F130) % 0x20;
    }
    return code;
}

uint32_t letters_base(uint32_t code)
{
    return code < PLANE ? letters_bases[code] : code;
}

const char *letters_digraph(uint32_t code)
{
    switch (code) {
    case 0xE4:
    case 0xE6:
        return "ae";
    case 0xF6:
    case 0xF8:
    case 0x153:
        return "oe";
    case 0xFC:
        return "ue";
    case 0xE5:
        return "aa";
    case 0xDF:
        return "ss";
    case 0xFE:
        return "th";
    default:
        return NULL;
    }
}

char letters_lookalike(uint32_t code)
{
    return code < PLANE ? letters_lookalikes[code] : 0;
}

char letters_turned(uint32_t code)
{
    return code < PLANE ? turned[code] : 0;
}

char letters_turned_too(uint32_t code)
{
    static const char pairs[] = "unnudppdbqqbooxxsszzll";
    for (const char *pair = pairs; pair[0] != '\0' && pair[1] != '\0'; pair += 2) {
        if ((uint32_t) pair[0] == code) {
            return pair[1];
        }
    }
    return 0;
}

const char *letters_of_sign(uint32_t code)
{
    switch (code) {
    case '0':
        return "o";
    case '1':
    case '!':
    case '|':
        return "il";
    case '3':
    case 0x20AC:
        return "e";
    case '4':
    case '@':
        return "a";
    case '5':
    case '$':
        return "s";
    case '7':
    case '+':
        return "t";
    case '8':
        return "b";
    case '*':
        return "aeiou";
    default:
        return NULL;
    }
}

uint32_t letters_hiragana(uint32_t code)
{
    return letters_within(code, 0x30A1, 0x30F6) ? code - 0x60 : code;
}
