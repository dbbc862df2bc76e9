// function_words.c - what function_words.def says of the words of a text, weighed and summed: see function_words.h.
//
// One hash table holds words and pieces of words; a key's first byte tells which kind it is.  An entry has
// a list of (language, weight).  The table is built once from function_words.def and never changed.  Whoever looks a
// post over asks it a hundred times, all over the place, and between two posts others have had the cache: so what is
// asked for lies close together, a slot in 8 bytes, keys behind each other, and a key's list in one piece.

#include "broker/triage/function_words.h"

#include "broker/triage/plain_text.h"
#include "proto/base/must.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define KEY_BYTES 48          // the longest word or piece that is looked up, with its kind and NUL
#define TABLE_SLOTS 32768     // power of two, at least twice the entries
#define PIECE_BITS 65536      // power of two, many times the pieces
#define WORD_CHARACTERS 24    // longer words are no words of a language
#define PIECE_CHARACTERS 6    // longest ending or beginning in SPELLING
#define SEQUENCE_CHARACTERS 4 // longest sequence in the middle
#define LARGE_MILLIONS 20     // speakers of a language whose words are known to most who post in it or near it

// Kinds of keys.
#define WORD '='
#define ENDING '$'
#define BEGINNING '^'
#define SEQUENCE '*'

// The weights.  Set by reasoning; language.c tells how they were checked.  That a word of another language
// looks like one of ours is less likely the longer it is: about one in two for one letter, one in seventeen
// for four and more.
static const double function_words_word_weight[] = { 0.0, 0.7, 1.5, 2.2, 2.8 };
static const double function_words_everyday_share = 0.8;  // a word of daily life, against one of grammar
static const double function_words_stripped_share = 0.7;  // written without its diacritics
static const double function_words_name_share = 0.4;      // with a capital inside a sentence: perhaps a name
static const double function_words_piece_weight = 0.22;   // for each letter of an ending, beginning or sequence
static const double function_words_foreign_letter = -2.0; // a word with a letter that the language does not have
static const double function_words_rare_letter = -0.5;    // a word with a letter that only borrowed words have

enum script {
    ANY,
    LATIN,
    CYRILLIC,
    GREEK,
    ARABIC,
    HEBREW,
    DEVANAGARI,
    BENGALI,
    GURMUKHI,
    GUJARATI,
    TAMIL,
    TELUGU,
    KANNADA,
    MALAYALAM,
    SINHALA,
    THAI,
    LAO,
    MYANMAR,
    KHMER,
    GEORGIAN,
    ARMENIAN,
    ETHIOPIC,
    KANA,
    HAN,
    HANGUL,
    SCRIPT_COUNT
};

struct language {
    const char *code;
    enum script script;
    double speakers; // millions
    int parent;      // of which it is the romanised form; -1
};

static const struct language languages[LANGUAGE_COUNT] = {
#define LANGUAGE(code, script, speakers) { #code, script, speakers, -1 },
#define ROMANISED(code, speakers) { #code "-Latn", LATIN, speakers, LANGUAGE_INDEX_##code },
#include "broker/triage/languages.def"
};

struct listing {
    uint16_t next;    // index of the next one of the same key, 0 at the end
    uint8_t language; // enum language_index
    float weight;
};

struct slot {
    uint32_t hash;  // of the key, 0 where the slot is free: nearly all that is looked up is not there
    uint16_t first; // index into `listings`
    uint16_t key;   // where it begins, in units of KEY_UNIT
};

struct row {
    char kind; // 'g' grammar, 'e' everyday, 's' spelling
    const char *code;
    const char *words;
};

struct alphabet_row {
    const char *code;
    const char *letters;
    const char *rare;
};

static const struct row function_words_rows[] = {
#define GRAMMAR(code, words) { 'g', code, words },
#define EVERYDAY(code, words) { 'e', code, words },
#define SPELLING(code, pieces) { 's', code, pieces },
#define ALPHABET(code, letters, rare)
#include "broker/triage/function_words.def"
#undef GRAMMAR
#undef EVERYDAY
#undef SPELLING
#undef ALPHABET
};

static const struct alphabet_row function_words_alphabet_rows[] = {
#define GRAMMAR(code, words)
#define EVERYDAY(code, words)
#define SPELLING(code, pieces)
#define ALPHABET(code, letters, rare) { code, letters, rare },
#include "broker/triage/function_words.def"
#undef GRAMMAR
#undef EVERYDAY
#undef SPELLING
#undef ALPHABET
};

#define LISTING_COUNT 40000
#define KEY_UNIT 4
#define KEYS_BYTES ((UINT16_MAX + 1) * KEY_UNIT)
#define LETTER_CODES 0x2000 // letters below this have a place in the alphabets

_Static_assert(sizeof function_words_alphabet_rows / sizeof *function_words_alphabet_rows <= 64,
               "an alphabet is a bit of a letter");

static struct slot function_words_slots[TABLE_SLOTS];
static char function_words_keys[KEYS_BYTES + KEY_BYTES]; // may be compared beyond the last
static size_t function_words_keys_used;
static uint64_t
    function_words_piece_known[PIECE_BITS / 64]; // a bit for the hash of every piece: small enough to be at hand
static struct listing function_words_listings[LISTING_COUNT];
static size_t slot_count;
static size_t listing_count;
static uint64_t function_words_letter_known[LETTER_CODES]; // bit: index into function_words_alphabet_rows
static uint64_t function_words_letter_rare[LETTER_CODES];
static int alphabet_language[sizeof function_words_alphabet_rows / sizeof *function_words_alphabet_rows];
static pthread_once_t function_words_built = PTHREAD_ONCE_INIT;

// The first language whose code begins with two letters, and the next of the same; their number + 1, 0 at the end.
static uint8_t function_words_languages_by_letters[26 * 26];
static uint8_t function_words_language_of_same_letters[LANGUAGE_COUNT];
static pthread_once_t function_words_languages_sorted = PTHREAD_ONCE_INIT;

_Static_assert(LANGUAGE_COUNT < UINT8_MAX, "a language's number + 1 fits a byte");

static bool small_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static size_t function_words_place_of_letters(const char *code)
{
    return (size_t) (code[0] - 'a') * 26 + (size_t) (code[1] - 'a');
}

static void function_words_sort_languages(void)
{
    for (int i = LANGUAGE_COUNT - 1; i >= 0; i--) {
        must(small_letter(languages[i].code[0]) && small_letter(languages[i].code[1]));
        uint8_t *first = &function_words_languages_by_letters[function_words_place_of_letters(languages[i].code)];
        function_words_language_of_same_letters[i] = *first;
        *first = (uint8_t) (i + 1);
    }
}

int function_words_language(const char *code)
{
    pthread_once(&function_words_languages_sorted, function_words_sort_languages);
    if (!small_letter(code[0]) || !small_letter(code[1])) {
        return -1;
    }
    int found = function_words_languages_by_letters[function_words_place_of_letters(code)];
    while (found > 0 && strcmp(languages[found - 1].code + 2, code + 2) != 0) {
        found = function_words_language_of_same_letters[found - 1];
    }
    return found - 1;
}

const char *function_words_code(int index)
{
    must(index >= 0);
    must(index < LANGUAGE_COUNT);
    return languages[index].code;
}

int function_words_parent(int index)
{
    must(index >= 0);
    must(index < LANGUAGE_COUNT);
    return languages[index].parent;
}

double function_words_speakers(int index)
{
    must(index >= 0);
    must(index < LANGUAGE_COUNT);
    return languages[index].speakers;
}

bool function_words_has_own_script(int index)
{
    must(index >= 0);
    must(index < LANGUAGE_COUNT);
    enum script script = languages[index].script;
    return script != ANY && script != LATIN && script != CYRILLIC && script != ARABIC;
}

// A hash is begun with the kind of a key, extended by its text piece by piece, and then ended.
static uint32_t function_words_hash_begin(char kind)
{
    return (2166136261u ^ (unsigned char) kind) * 16777619u;
}

static uint32_t function_words_hash_byte(uint32_t hash, char byte)
{
    return (hash ^ (unsigned char) byte) * 16777619u;
}

static uint32_t function_words_hash_extend(uint32_t hash, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        hash = function_words_hash_byte(hash, text[i]);
    }
    return hash;
}

static uint32_t function_words_hash_end(uint32_t hash)
{
    hash ^= hash >> 15;
    return hash != 0 ? hash : 1; // 0 is a free slot
}

static bool function_words_key_is(const char *key, char kind, const char *text, size_t bytes)
{
    return key[0] == kind && memcmp(key + 1, text, bytes) == 0 && key[1 + bytes] == '\0';
}

// The slot of a key, or the free one where it would be.  The text holds no NUL, and fits a key.
static struct slot *function_words_find_slot(char kind, const char *text, size_t bytes, uint32_t hash)
{
    uint32_t i = hash & (TABLE_SLOTS - 1);
    while (function_words_slots[i].hash != 0 &&
           !(function_words_slots[i].hash == hash &&
             function_words_key_is(function_words_keys + (size_t) function_words_slots[i].key * KEY_UNIT, kind, text,
                                   bytes))) {
        i = (i + 1) & (TABLE_SLOTS - 1);
    }
    return &function_words_slots[i];
}

static uint32_t function_words_piece_bit(uint32_t hash)
{
    return (hash >> 16) & (PIECE_BITS - 1); // not the bits that choose the slot
}

static bool function_words_fits_key(size_t bytes)
{
    return bytes + 2 <= KEY_BYTES;
}

// Building the table.

static void function_words_begin_slot(struct slot *slot, const char *key, uint32_t hash)
{
    size_t bytes = strlen(key) + 1;
    must(++slot_count <= TABLE_SLOTS / 2); // a full table has no end to a search
    must(function_words_keys_used + bytes <= KEYS_BYTES);
    memcpy(function_words_keys + function_words_keys_used, key, bytes);
    slot->hash = hash;
    slot->key = (uint16_t) (function_words_keys_used / KEY_UNIT);
    function_words_keys_used += (bytes + KEY_UNIT - 1) / KEY_UNIT * KEY_UNIT;
    if (key[0] != WORD) {
        function_words_piece_known[function_words_piece_bit(hash) / 64] |= UINT64_C(1)
                                                                           << function_words_piece_bit(hash) % 64;
    }
}

static void function_words_add_listing(const char *key, int language, double weight)
{
    uint32_t hash = function_words_hash_end(
        function_words_hash_extend(function_words_hash_begin(key[0]), key + 1, strlen(key + 1)));
    struct slot *slot = function_words_find_slot(key[0], key + 1, strlen(key + 1), hash);
    for (uint16_t i = slot->first; i != 0; i = function_words_listings[i].next) {
        if (function_words_listings[i].language == language) {
            if (function_words_listings[i].weight < (float) weight) {
                function_words_listings[i].weight = (float) weight;
            }
            return;
        }
    }
    must(listing_count < LISTING_COUNT);
    if (slot->hash == 0) {
        function_words_begin_slot(slot, key, hash);
    }
    function_words_listings[listing_count] =
        (struct listing){ .next = slot->first, .language = (uint8_t) language, .weight = (float) weight };
    slot->first = (uint16_t) listing_count++;
}

static size_t function_words_count_letters(const char *word)
{
    return u8_mbsnlen((const uint8_t *) word, strlen(word));
}

// `word` without the marks of its letters; false if it has none.
static bool function_words_strip_marks(const char *word, char *out, size_t out_bytes)
{
    size_t bytes = 0;
    size_t written = 0;
    uint8_t *apart = u8_normalize(UNINORM_NFD, (const uint8_t *) word, strlen(word), NULL, &bytes);
    must(apart != NULL);
    for (size_t i = 0; i < bytes;) {
        uint32_t code;
        size_t used = plain_text_character((const char *) apart + i, bytes - i, &code);
        if (!(code >= 0x300 && code <= 0x36F) && written + used < out_bytes) {
            memcpy(out + written, apart + i, used);
            written += used;
        }
        i += used;
    }
    out[written] = '\0';
    free(apart);
    return strcmp(out, word) != 0;
}

static void function_words_add_word(const char *word, int language, double share)
{
    char key[KEY_BYTES] = { WORD };
    char stripped[KEY_BYTES];
    size_t letters = function_words_count_letters(word);
    double weight = share * function_words_word_weight[letters > 4 ? 4 : letters];
    must(strlen(word) + 2 <= KEY_BYTES);
    strcpy(key + 1, word);
    function_words_add_listing(key, language, weight);
    if (languages[language].script == LATIN && function_words_strip_marks(word, stripped, sizeof stripped)) {
        strcpy(key + 1, stripped);
        function_words_add_listing(key, language, weight * function_words_stripped_share);
    }
}

static void function_words_add_piece(const char *piece, int language)
{
    char key[KEY_BYTES] = { SEQUENCE };
    size_t bytes = strlen(piece);
    must(bytes + 2 <= KEY_BYTES);
    strcpy(key + 1, piece);
    if (piece[0] == '-') {
        key[0] = ENDING;
        strcpy(key + 1, piece + 1);
    }
    if (piece[bytes - 1] == '-' && bytes > 1) {
        key[0] = key[0] == ENDING ? SEQUENCE : BEGINNING;
        key[strlen(key) - 1] = '\0';
    }
    double beyond_ascii = key[1] & 0x80 ? 1.5 : 1.0;
    function_words_add_listing(
        key, language, function_words_piece_weight * beyond_ascii * (double) function_words_count_letters(key + 1));
}

static void function_words_add_row(const struct row *row)
{
    int language = function_words_language(row->code);
    must(language >= 0);
    const char *word = row->words;
    while (*word != '\0') {
        char one[KEY_BYTES];
        size_t bytes = strcspn(word, " ");
        must(bytes + 2 < sizeof one);
        memcpy(one, word, bytes);
        one[bytes] = '\0';
        if (row->kind == 's') {
            function_words_add_piece(one, language);
        } else {
            function_words_add_word(one, language, row->kind == 'g' ? 1.0 : function_words_everyday_share);
        }
        word += bytes;
        word += strspn(word, " ");
    }
}

static void function_words_mark_letters(const char *letters, uint64_t *marks, uint64_t bit)
{
    size_t bytes = strlen(letters);
    for (size_t i = 0; i < bytes;) {
        uint32_t code;
        i += plain_text_character(letters + i, bytes - i, &code);
        must(code < LETTER_CODES);
        marks[code] |= bit;
    }
}

// Puts the list of each key into one piece: they were made language by language.
static void function_words_gather_listings(void)
{
    struct listing *scattered = malloc(listing_count * sizeof *scattered);
    uint16_t at = 1;
    must(scattered != NULL);
    memcpy(scattered, function_words_listings, listing_count * sizeof *scattered);
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        uint16_t from = function_words_slots[i].first;
        function_words_slots[i].first = from != 0 ? at : 0;
        for (; from != 0; from = scattered[from].next) {
            function_words_listings[at] = scattered[from];
            function_words_listings[at].next = scattered[from].next != 0 ? (uint16_t) (at + 1) : 0;
            at++;
        }
    }
    must(at == listing_count);
    free(scattered);
}

static void function_words_build(void)
{
    listing_count = 1; // 0 ends a list
    for (size_t i = 0; i < sizeof function_words_rows / sizeof *function_words_rows; i++) {
        function_words_add_row(&function_words_rows[i]);
    }
    function_words_gather_listings();
    for (size_t i = 0; i < sizeof function_words_alphabet_rows / sizeof *function_words_alphabet_rows; i++) {
        alphabet_language[i] = function_words_language(function_words_alphabet_rows[i].code);
        must(alphabet_language[i] >= 0);
        function_words_mark_letters("abcdefghijklmnopqrstuvwxyz", function_words_letter_known, UINT64_C(1) << i);
        function_words_mark_letters(function_words_alphabet_rows[i].letters, function_words_letter_known,
                                    UINT64_C(1) << i);
        function_words_mark_letters(function_words_alphabet_rows[i].rare, function_words_letter_rare, UINT64_C(1) << i);
        function_words_mark_letters(function_words_alphabet_rows[i].rare, function_words_letter_known,
                                    UINT64_C(1) << i);
    }
}

// Weighing a text.

// One word of the text, case-folded, and where its characters begin.
struct word {
    char text[WORD_CHARACTERS * 4 + 1];
    size_t offset[WORD_CHARACTERS + 1]; // offset[characters] is its length
    uint32_t code[WORD_CHARACTERS];
    size_t characters;
    int repeats;  // how often the last letter has come in a row
    bool capital; // begins with a capital
    bool ascii;   // each character is one byte
};

static enum script function_words_script_of(uint32_t code)
{
    static const struct {
        uint32_t first, last;
        enum script script;
    } ranges[] = {
        { 0x41, 0x24F, LATIN },       { 0x370, 0x3FF, GREEK },      { 0x400, 0x52F, CYRILLIC },
        { 0x531, 0x58F, ARMENIAN },   { 0x590, 0x5FF, HEBREW },     { 0x600, 0x6FF, ARABIC },
        { 0x750, 0x77F, ARABIC },     { 0x900, 0x97F, DEVANAGARI }, { 0x980, 0x9FF, BENGALI },
        { 0xA00, 0xA7F, GURMUKHI },   { 0xA80, 0xAFF, GUJARATI },   { 0xB80, 0xBFF, TAMIL },
        { 0xC00, 0xC7F, TELUGU },     { 0xC80, 0xCFF, KANNADA },    { 0xD00, 0xD7F, MALAYALAM },
        { 0xD80, 0xDFF, SINHALA },    { 0xE00, 0xE7F, THAI },       { 0xE80, 0xEFF, LAO },
        { 0x1000, 0x109F, MYANMAR },  { 0x10A0, 0x10FF, GEORGIAN }, { 0x1100, 0x11FF, HANGUL },
        { 0x1200, 0x137F, ETHIOPIC }, { 0x1780, 0x17FF, KHMER },    { 0x1E00, 0x1EFF, LATIN },
        { 0x1F00, 0x1FFF, GREEK },    { 0x3040, 0x30FF, KANA },     { 0x3130, 0x318F, HANGUL },
        { 0x3400, 0x4DBF, HAN },      { 0x4E00, 0x9FFF, HAN },      { 0xAC00, 0xD7AF, HANGUL },
        { 0xF900, 0xFAFF, HAN },      { 0xFB1D, 0xFB4F, HEBREW },   { 0xFB50, 0xFEFF, ARABIC },
        { 0x20000, 0x323AF, HAN },
    };
    if (code < 0x80) {
        return code >= 'A' ? LATIN : ANY;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code <= ranges[i].last) {
            return code >= ranges[i].first ? ranges[i].script : ANY;
        }
    }
    return ANY;
}

static bool function_words_letter(uint32_t code)
{
    if (code < 0x80) {
        return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
    }
    return uc_is_general_category_withtable((ucs4_t) code, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M) || code == 0xB7;
}

static uint32_t function_words_apostrophe_or(uint32_t code)
{
    return code == 0x2019 || code == 0x2018 || code == 0xB4 || code == 0x60 ? '\'' : code;
}

static void function_words_drop_last(struct word *word)
{
    word->characters--;
    word->text[word->offset[word->characters]] = '\0';
}

static uint32_t function_words_lower_case(uint32_t code)
{
    if (code < 0x80) {
        return code >= 'A' && code <= 'Z' ? code | 0x20 : code;
    }
    return uc_tolower((ucs4_t) code);
}

static void function_words_add_character(struct word *word, uint32_t code)
{
    uint32_t lower = function_words_lower_case(code);
    size_t n = word->characters;
    // People stretch words: three and more of a letter stand for one.
    word->repeats = n > 0 && word->code[n - 1] == lower ? word->repeats + 1 : 1;
    if (word->repeats == 3) {
        function_words_drop_last(word);
    }
    if (word->repeats >= 3 || n == WORD_CHARACTERS) {
        return;
    }
    if (n == 0) {
        word->capital = lower != code;
    }
    int bytes = 1;
    if (lower < 0x80) {
        word->text[word->offset[n]] = (char) lower;
    } else {
        word->ascii = false;
        bytes = u8_uctomb((uint8_t *) word->text + word->offset[n], lower,
                          (ptrdiff_t) (sizeof word->text - 1 - word->offset[n]));
    }
    must(bytes > 0);
    word->code[n] = lower;
    word->offset[n + 1] = word->offset[n] + (size_t) bytes;
    word->characters = n + 1;
    word->text[word->offset[n + 1]] = '\0';
}

// Reads the next word from `text` on.  Words keep their apostrophes and hyphens inside.  Returns the bytes
// taken, 0 at the end of the text.
static size_t function_words_next_word(const char *text, size_t bytes, struct word *word)
{
    size_t i = 0;
    word->characters = 0;
    word->repeats = 0;
    word->ascii = true;
    word->offset[0] = 0;
    word->text[0] = '\0';
    while (i < bytes) {
        uint32_t code = (unsigned char) text[i];
        if ((code | 0x20) >= 'a' && (code | 0x20) <= 'z') { // most of most posts
            function_words_add_character(word, code);
            i++;
            continue;
        }
        size_t used = code < 0x80 ? 1 : plain_text_character(text + i, bytes - i, &code);
        code = function_words_apostrophe_or(code);
        bool joins = (code == '\'' || code == '-') && word->characters > 0;
        if (function_words_letter(code) || joins) {
            function_words_add_character(word, code);
        } else if (word->characters > 0) {
            break;
        }
        i += used;
    }
    // What stands at the end does not join anything, but for French "j'" and the like.
    while (word->characters > 0 && word->code[word->characters - 1] == '-') {
        function_words_drop_last(word);
    }
    return word->characters > 0 ? i : 0;
}

// Adds what the table says for a word.  False if it has no entry.
static bool function_words_weigh_word_text(const char *text, size_t bytes, double share, struct word_evidence *out)
{
    if (bytes == 0 || !function_words_fits_key(bytes)) {
        return false;
    }
    const struct slot *slot = function_words_find_slot(
        WORD, text, bytes,
        function_words_hash_end(function_words_hash_extend(function_words_hash_begin(WORD), text, bytes)));
    for (uint16_t i = slot->first; i != 0; i = function_words_listings[i].next) {
        out->words[function_words_listings[i].language] += share * (double) function_words_listings[i].weight;
        out->known[function_words_listings[i].language]++;
        out->knowing[out->word_count].bits[function_words_listings[i].language / 64] |=
            UINT64_C(1) << function_words_listings[i].language % 64;
    }
    return slot->first != 0;
}

bool function_words_known(const char *word, size_t bytes)
{
    pthread_once(&function_words_built, function_words_build);
    if (!function_words_fits_key(bytes)) {
        return false;
    }
    const struct slot *slot = function_words_find_slot(
        WORD, word, bytes,
        function_words_hash_end(function_words_hash_extend(function_words_hash_begin(WORD), word, bytes)));
    for (uint16_t i = slot->first; i != 0; i = function_words_listings[i].next) {
        if (languages[function_words_listings[i].language].speakers >= LARGE_MILLIONS) {
            return true;
        }
    }
    return false;
}

// The whole word, else its parts at the apostrophe or hyphens: "qu'" and "il", "don" and "'t".
static void function_words_weigh_word(const struct word *word, double share, struct word_evidence *out)
{
    size_t bytes = word->offset[word->characters];
    if (function_words_weigh_word_text(word->text, bytes, share, out)) {
        return;
    }

    const char *joint = strpbrk(word->text, "'-");
    if (joint == NULL) {
        return;
    }
    size_t head = (size_t) (joint - word->text);
    if (!(*joint == '\'' && function_words_weigh_word_text(word->text, head + 1, share, out))) {
        function_words_weigh_word_text(word->text, head, share, out);
    }
    if (!function_words_weigh_word_text(joint, bytes - head, share, out)) {
        function_words_weigh_word_text(joint + 1, bytes - head - 1, share, out);
    }
}

// The best piece of a kind for each language; a word's pieces speak for few.
struct best_pieces {
    double weight[LANGUAGE_COUNT]; // 0: none
    uint8_t languages[LANGUAGE_COUNT];
    size_t count;
};

static void function_words_keep_if_best(struct best_pieces *best, const struct listing *listing)
{
    double *weight = &best->weight[listing->language];
    if (*weight == 0) {
        best->languages[best->count++] = listing->language;
    }
    if (*weight < (double) listing->weight) {
        *weight = (double) listing->weight;
    }
}

// Adds them up and forgets them.
static void function_words_take_best(struct best_pieces *best, double share, struct word_evidence *out)
{
    for (size_t i = 0; i < best->count; i++) {
        int language = best->languages[i];
        out->spelling[language] += share * best->weight[language];
        best->weight[language] = 0;
    }
    best->count = 0;
}

// False of nearly all that is not in the table.
static inline bool function_words_may_be_piece(uint32_t hash)
{
    return function_words_piece_known[function_words_piece_bit(hash) / 64] >> function_words_piece_bit(hash) % 64 & 1;
}

// Keeps the best piece of a kind for each language, lest one long ending count for all the shorter in it.
static void function_words_keep_best(char kind, const struct word *word, size_t from, size_t to, uint32_t hash,
                                     struct best_pieces *best)
{
    size_t bytes = word->offset[to] - word->offset[from];
    if (!function_words_fits_key(bytes)) {
        return;
    }
    const struct slot *slot = function_words_find_slot(kind, word->text + word->offset[from], bytes, hash);
    for (uint16_t i = slot->first; i != 0; i = function_words_listings[i].next) {
        function_words_keep_if_best(best, &function_words_listings[i]);
    }
}

// The same of the pieces of one character and more that begin at `from`, up to a number of them.
static void function_words_keep_best_from(char kind, const struct word *word, size_t from, size_t length_max,
                                          struct best_pieces *best)
{
    uint32_t hash = function_words_hash_begin(kind);
    for (size_t to = from + 1; to <= from + length_max; to++) {
        hash = word->ascii ? function_words_hash_byte(hash, word->text[to - 1])
                           : function_words_hash_extend(hash, word->text + word->offset[to - 1],
                                                        word->offset[to] - word->offset[to - 1]);
        uint32_t ended = function_words_hash_end(hash);
        if (function_words_may_be_piece(ended)) {
            function_words_keep_best(kind, word, from, to, ended, best);
        }
    }
}

static size_t function_words_at_most(size_t count, size_t maximum)
{
    return count < maximum ? count : maximum;
}

// `best` is empty before and after.
static void function_words_weigh_spelling(const struct word *word, double share, struct best_pieces *best,
                                          struct word_evidence *out)
{
    size_t n = word->characters;
    for (size_t length = 1; length <= PIECE_CHARACTERS && length < n; length++) {
        size_t begin = word->offset[n - length];
        uint32_t hash = function_words_hash_end(
            function_words_hash_extend(function_words_hash_begin(ENDING), word->text + begin, word->offset[n] - begin));
        if (function_words_may_be_piece(hash)) {
            function_words_keep_best(ENDING, word, n - length, n, hash, best);
        }
    }
    function_words_take_best(best, share, out);
    function_words_keep_best_from(BEGINNING, word, 0, function_words_at_most(n - 1, PIECE_CHARACTERS), best);
    for (size_t from = 0; from < n; from++) {
        function_words_keep_best_from(SEQUENCE, word, from, function_words_at_most(n - from, SEQUENCE_CHARACTERS),
                                      best);
    }
    function_words_take_best(best, share, out);
}

static void function_words_weigh_letters(const struct word *word, double share, struct word_evidence *out)
{
    uint64_t known = UINT64_MAX;
    uint64_t rare = 0;
    bool beyond_ascii = false;
    for (size_t i = 0; i < word->characters; i++) {
        uint32_t code = word->code[i];
        beyond_ascii = beyond_ascii || code >= 0x80;
        if (code == '\'' || code == '-' || code >= LETTER_CODES) {
            continue;
        }
        known &= function_words_letter_known[code];
        rare |= function_words_letter_rare[code];
    }
    uint64_t foreign =
        ~known & (UINT64_MAX >> (64 - sizeof function_words_alphabet_rows / sizeof *function_words_alphabet_rows));
    for (uint64_t left = foreign; left != 0; left &= left - 1) {
        out->spelling[alphabet_language[__builtin_ctzll(left)]] += share * function_words_foreign_letter;
    }
    for (uint64_t left = rare & known; left != 0; left &= left - 1) {
        out->spelling[alphabet_language[__builtin_ctzll(left)]] += share * function_words_rare_letter;
    }
    for (int i = 0; i < LANGUAGE_COUNT && beyond_ascii; i++) {
        if (languages[i].parent >= 0) { // whoever writes these has a to z at hand
            out->spelling[i] += share * function_words_foreign_letter;
        }
    }
}

// Which share of the letters each language could have written.
static void function_words_weigh_scripts(const int *letters, int total, struct word_evidence *out)
{
    if (total == 0) {
        return;
    }
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        int own = letters[languages[i].script];
        if (languages[i].script == ANY) {
            own = letters[LATIN] + letters[CYRILLIC];
        }
        if (languages[i].script == KANA && letters[KANA] > 0) {
            own += letters[HAN];
        }
        if (languages[i].script == HANGUL && letters[HANGUL] > 0) {
            own += letters[HAN];
        }
        if (languages[i].script == HAN && letters[KANA] * 8 > letters[HAN]) {
            own = 0;
        }
        out->script[i] = (double) own / (double) total;
    }
}

static int function_words_knows(const struct language_set *set, int language)
{
    return (int) (set->bits[language / 64] >> language % 64 & 1);
}

void function_words_apart(const struct word_evidence *evidence, int one, int other, int *only_one, int *only_other)
{
    *only_one = 0;
    *only_other = 0;
    for (int i = 0; i < evidence->word_count; i++) {
        int by_one = function_words_knows(&evidence->knowing[i], one);
        int by_other = function_words_knows(&evidence->knowing[i], other);
        *only_one += by_one & !by_other;
        *only_other += by_other & !by_one;
    }
}

static bool function_words_all_capitals(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] >= 'a' && text[i] <= 'z') {
            return false;
        }
    }
    return true;
}

void function_words_weigh(const char *text, size_t bytes, struct word_evidence *out)
{
    pthread_once(&function_words_built, function_words_build);
    memset(out, 0, offsetof(struct word_evidence, knowing));

    int letters[SCRIPT_COUNT] = { 0 };
    bool shouted = function_words_all_capitals(text, bytes);
    bool sentence_start = true;
    struct best_pieces best = { 0 };
    struct word word;
    size_t at = 0;
    size_t used;
    while (out->word_count < FUNCTION_WORDS_COUNT_MAX &&
           (used = function_words_next_word(text + at, bytes - at, &word)) > 0) {
        double share = word.capital && !sentence_start && !shouted ? function_words_name_share : 1.0;
        for (size_t i = 0; i < word.characters; i++) {
            enum script script = function_words_script_of(word.code[i]);
            letters[script] += script >= KANA ? 3 : 1;
        }
        out->knowing[out->word_count] = (struct language_set){ 0 };
        function_words_weigh_word(&word, share, out);
        if (word.characters < 2) {
            out->knowing[out->word_count] = (struct language_set){ 0 };
        }
        if (function_words_script_of(word.code[0]) != HAN && function_words_script_of(word.code[0]) != KANA) {
            function_words_weigh_spelling(&word, share, &best, out);
        }
        function_words_weigh_letters(&word, share, out);
        out->word_count++;
        out->letter_count += (int) word.characters;
        at += used;
        sentence_start = at < bytes && strchr(".!?:\"", text[at]) != NULL;
    }
    int total = 0;
    for (int i = LATIN; i < SCRIPT_COUNT; i++) {
        total += letters[i];
    }
    function_words_weigh_scripts(letters, total, out);
}
